//! Decodes the pages of a query and checks that together they hold everything.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    azure::json::text,
    error::{Failure, Result},
    host::http::Answer,
};

/// The most pages of a query: 1,000,000 rows.
const PAGE_LIMIT: usize = 1_000;

/// One page.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    rows: Vec<Value>,
    /// How many rows all pages have.
    total: u64,
    /// The token of the next page; none on the last one.
    next: Option<String>,
    /// Whether rows are missing that no further page has.
    is_truncated: bool,
}

/// Reads `{"data":[…],"totalRecords":n,"resultTruncated":"false","$skipToken":"…"}`.
///
/// # Errors
/// When the bytes are not such an object. A field of another type is an error too: ignoring it could lose rows.
pub(super) fn decode_page(body: &[u8]) -> Result<Page> {
    let unfit = |why: &str| Failure::new("the answer is not a page of Resource Graph").because(why);
    let mut body: Value =
        serde_json::from_slice(body).map_err(|why| unfit(&format!("it is not JSON: {why}")))?;
    let rows = match body.get_mut("data").map(Value::take) {
        Some(Value::Array(rows)) => rows,
        Some(_) => return Err(unfit("`data` is not a list")),
        None => return Err(unfit("`data` is missing")),
    };
    let total = body.get("totalRecords").and_then(Value::as_u64);
    let total = total.ok_or_else(|| unfit("`totalRecords` is missing or not a number"))?;
    let next = match body.get_mut("$skipToken").map(Value::take) {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => Some(token).filter(|token| !token.is_empty()),
        Some(_) => return Err(unfit("`$skipToken` is not text")),
    };
    let is_truncated = match body.get("resultTruncated") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(truncated)) => *truncated,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => true,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(unfit("`resultTruncated` is neither `true` nor `false`")),
    };
    Ok(Page {
        rows,
        total,
        is_truncated: is_truncated && next.is_none(),
        next,
    })
}

/// Whether Resource Graph answers that the caller sees no subscription at all, which is no failure.
pub(super) fn has_no_subscription(answer: &Answer) -> bool {
    let code = "NoValidSubscriptionsInQueryRequest";
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return false;
    };
    let Some(error) = body.get("error") else {
        return false;
    };
    let details = error.get("details").and_then(Value::as_array);
    let mut errors = details.into_iter().flatten().chain([error]);
    answer.status == 400 && errors.any(|error| text(error, "code").as_deref() == Some(code))
}

/// The pages of one query so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    rows: Vec<Value>,
    /// The ids of the rows in lower case: a row that comes again after a change is dropped.
    ids: HashSet<String>,
    pages: usize,
    tokens: HashSet<String>,
    /// What the first page said.
    total: Option<u64>,
}

impl Reader {
    /// Adds a page and returns the token of the next one.
    ///
    /// # Errors
    /// If rows are missing, or can't be read.
    pub(super) fn add(&mut self, page: Page) -> Result<Option<String>> {
        self.pages += 1;
        for row in page.rows {
            let id = text(&row, "id").map(|id| id.to_lowercase());
            if id.is_none_or(|id| self.ids.insert(id)) {
                self.rows.push(row);
            }
        }
        if page.is_truncated {
            return Err(Failure::new("the answer is truncated"));
        }
        if *self.total.get_or_insert(page.total) != page.total {
            return Err(Failure::new("something changed while the pages were read"));
        }
        match page.next {
            None => self.check_total(page.total).map(|()| None),
            Some(_) if self.pages >= PAGE_LIMIT => Err(Failure::new(format!(
                "there are more than {PAGE_LIMIT} pages"
            ))),
            Some(token) if self.tokens.insert(token.clone()) => Ok(Some(token)),
            Some(_) => Err(Failure::new(
                "a page leads back to one that was already read",
            )),
        }
    }

    fn check_total(&self, total: u64) -> Result<()> {
        match self.rows.len() as u64 == total {
            true => Ok(()),
            false => Err(
                Failure::new("the pages do not have all rows").because(format!(
                    "{total} rows were announced, {} came",
                    self.rows.len()
                )),
            ),
        }
    }

    /// The rows of all pages, each once.
    pub(super) fn rows(self) -> Vec<Value> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn page(ids: &[&str], total: u64, next: Option<&str>) -> Page {
        Page {
            rows: ids.iter().map(|id| json!({"id": id})).collect(),
            total,
            next: next.map(str::to_owned),
            is_truncated: false,
        }
    }

    /// Reads pages to the end or to the first error.
    fn read(pages: Vec<Page>) -> (usize, Result<()>) {
        let mut reader = Reader::default();
        let mut read = Ok(());
        for page in pages {
            if let Err(why) = reader.add(page) {
                read = Err(why);
                break;
            }
        }
        (reader.rows().len(), read)
    }

    fn refused(pages: Vec<Page>) -> String {
        read(pages).1.expect_err("incomplete pages").to_string()
    }

    #[test]
    fn pages_are_read_to_the_last_one() {
        let pages = vec![
            page(&["a", "b"], 3, Some("1")),
            page(&[], 3, Some("2")),
            page(&["c"], 3, None),
        ];
        assert!(matches!(read(pages), (3, Ok(()))));
        assert!(matches!(read(vec![page(&[], 0, None)]), (0, Ok(()))));
    }

    #[test]
    fn pages_that_do_not_have_everything_are_refused() {
        assert!(refused(vec![page(&["a"], 2, None)]).contains("2 rows were announced, 1 came"));
        // A row that moved to the next page may have pushed another out of it.
        let repeated = vec![page(&["a", "b"], 3, Some("1")), page(&["B"], 3, None)];
        assert!(refused(repeated).contains("3 rows were announced, 2 came"));
        let changed = vec![page(&["a"], 2, Some("1")), page(&["b"], 3, None)];
        assert!(refused(changed).contains("something changed"));
        let circle = vec![page(&["a"], 3, Some("1")), page(&["b"], 3, Some("1"))];
        assert!(refused(circle).contains("already read"));
        let truncated = Page {
            is_truncated: true,
            ..page(&["a"], 1, None)
        };
        assert!(refused(vec![truncated]).contains("truncated"));
        let endless = (0..=PAGE_LIMIT).map(|n| page(&[], 0, Some(&n.to_string())));
        assert!(refused(endless.collect()).contains("more than 1000 pages"));
    }

    #[test]
    fn rows_before_a_failure_stay() {
        let pages = vec![page(&["a", "b"], 4, Some("1")), page(&["c"], 4, None)];
        assert!(matches!(read(pages), (3, Err(_))));
    }

    #[test]
    fn a_page_is_decoded_whether_it_is_truncated_as_text_or_not() {
        let decoded = |truncated: Value, token: Value| {
            let body = json!({"data": [1], "totalRecords": 5, "count": 1, "resultTruncated": truncated, "$skipToken": token});
            let page = decode_page(body.to_string().as_bytes()).expect("a page");
            (page.is_truncated, page.next)
        };
        assert_eq!(decoded(json!("true"), Value::Null), (true, None));
        assert_eq!(decoded(json!(true), json!("")), (true, None));
        assert_eq!(
            decoded(json!("true"), json!("t")),
            (false, Some("t".into()))
        );
        assert_eq!(decoded(json!("false"), Value::Null), (false, None));
        assert_eq!(decoded(Value::Null, Value::Null), (false, None));
    }

    #[test]
    fn what_is_not_a_page_is_an_error() {
        for body in [
            "",
            "[]",
            r#"{"data":[]}"#,
            r#"{"totalRecords":0}"#,
            r#"{"data":{},"totalRecords":0}"#,
            r#"{"data":[],"totalRecords":"0"}"#,
            r#"{"data":[],"totalRecords":0,"$skipToken":3}"#,
            r#"{"data":[],"totalRecords":0,"resultTruncated":"maybe"}"#,
            "{\"data\":[",
        ] {
            assert!(decode_page(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn to_see_no_subscription_is_told_from_other_refusals() {
        let answer = |status, body: Value| Answer {
            status,
            headers: Default::default(),
            http2: false,
            body: body.to_string().into_bytes(),
        };
        let code = json!({"code": "NoValidSubscriptionsInQueryRequest"});
        let detailed = json!({"error": {"code": "BadRequest", "details": [code]}});
        assert!(has_no_subscription(&answer(400, detailed.clone())));
        assert!(has_no_subscription(&answer(400, json!({"error": code}))));
        assert!(!has_no_subscription(&answer(403, detailed)));
        assert!(!has_no_subscription(&answer(
            400,
            json!({"error": {"code": "BadRequest"}})
        )));
        assert!(!has_no_subscription(&answer(400, json!("no"))));
    }

    proptest! {
        #[test]
        fn decoding_a_page_never_panics(body: Vec<u8>) {
            let _ = decode_page(&body);
        }

        #[test]
        fn no_row_is_lost_without_an_error(sizes in prop::collection::vec(0_u64..4, 1..6), lost in 0_usize..6) {
            let total = sizes.iter().sum();
            let mut next_id = 0;
            let last = sizes.len() - 1;
            let mut pages: Vec<_> = sizes.iter().enumerate().map(|(n, size)| {
                let ids: Vec<String> = (0..*size).map(|i| (next_id + i).to_string()).collect();
                next_id += size;
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                page(&ids, total, (n < last).then(|| n.to_string()).as_deref())
            }).collect();
            let had = pages.get_mut(lost).map_or(0, |page| std::mem::take(&mut page.rows).len());
            let (rows, read) = read(pages);
            prop_assert_eq!(rows as u64, total - had as u64);
            prop_assert_eq!(read.is_ok(), had == 0);
        }
    }
}
