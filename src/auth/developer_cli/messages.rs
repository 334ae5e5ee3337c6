//! What `az` and `azd` wrote on standard error, shortened to what a person needs.

/// The most that is shown, in characters.
const LIMIT: usize = 600;

/// The end of what a program wrote, on one line, without warnings and without the frames of Python tracebacks.
///
/// If nothing else remains, all of it counts.
pub(in crate::auth) fn summary(text: &str) -> String {
    let relevant = relevant_lines(text).join(" ");
    let line = on_one_line(match relevant.trim() {
        "" => text,
        relevant => relevant,
    });
    match line.char_indices().nth_back(LIMIT) {
        Some((at, _)) => format!("…{}", &line[at..]),
        None if line.is_empty() => "it said nothing".to_owned(),
        None => line,
    }
}

fn on_one_line(text: &str) -> String {
    let words = text.split_whitespace().map(without_secret);
    words.collect::<Vec<_>>().join(" ")
}

/// A word without what is secret whoever says it: a token, and a password in the address of a proxy.
fn without_secret(word: &str) -> String {
    without_password(&without_token(word))
}

/// Cuts a JSON web token (RFC 7519), which always begins with `{"` in base64url.
fn without_token(word: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let Some((before, token)) = word.split_once("eyJ") else {
        return word.to_owned();
    };
    let after = token.trim_start_matches(is_token);
    match token[..token.len() - after.len()].contains('.') {
        true => format!("{before}…{}", without_token(after)),
        false => format!("{before}eyJ{}", without_token(token)),
    }
}

/// Cuts what is before the host of a URL.
fn without_password(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => word.to_owned(),
    }
}

/// Of a traceback only the last exception is kept: the line `Type: message` and what follows it.
fn relevant_lines(text: &str) -> Vec<&str> {
    let mut kept: Vec<&str> = Vec::new();
    // Where the exception of the last traceback begins in `kept`.
    let mut exception = None;
    let mut in_frames = false;
    let mut below_python_warning = false;
    for line in text.lines() {
        let said = line.trim();
        if said.is_empty() || ((in_frames || below_python_warning) && is_indented(line)) {
            continue;
        }
        below_python_warning = is_python_warning(line);
        if is_traceback(line) {
            in_frames = true;
            continue;
        }
        if is_link_of_chain(said) {
            kept.truncate(exception.take().unwrap_or(kept.len()));
            continue;
        }
        if in_frames {
            in_frames = false;
            remove_same_message(&mut kept, said);
            exception = Some(kept.len());
        }
        if !below_python_warning && !is_noise(line) {
            kept.push(said.trim_end_matches(" Here is the traceback:"));
        }
    }
    kept
}

/// Removes the line above a traceback if it is the exception's message: az prints it first.
fn remove_same_message(kept: &mut Vec<&str>, exception: &str) {
    let Some((_, message)) = exception.split_once(": ") else {
        return;
    };
    if kept
        .last()
        .is_some_and(|above| above.trim_start_matches("ERROR: ") == message)
    {
        kept.pop();
    }
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}

/// Whether frames follow. Of a long traceback the beginning may be missing.
fn is_traceback(line: &str) -> bool {
    line.trim().trim_start_matches("ERROR: ") == "Traceback (most recent call last):"
        || line.starts_with("  File \"")
}

/// Whether another traceback follows, of an exception that this one led to (Python's `traceback` module).
fn is_link_of_chain(line: &str) -> bool {
    line.starts_with("During handling of the above exception, another exception occurred:")
        || line.starts_with("The above exception was the direct cause of the following exception:")
}

/// Whether it is as Python shows warnings: `file.py:1: CategoryWarning: message`, and below it a line of source.
fn is_python_warning(line: &str) -> bool {
    let after_file = line.split_once(".py:").map(|(_, rest)| rest);
    let Some((number, rest)) = after_file.and_then(|rest| rest.split_once(": ")) else {
        return false;
    };
    let category = rest.split_once(':').map_or("", |(category, _)| category);
    number.bytes().all(|byte| byte.is_ascii_digit()) && category.ends_with("Warning")
}

/// az's warnings, and its request for a bug report.
fn is_noise(line: &str) -> bool {
    [
        "WARNING:",
        "To check existing issues, please visit:",
        "To open a new issue, please run",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// az 2.64 with a broken configuration.
    const UNEXPECTED: &str = "\
ERROR: The command failed with an unexpected error. Here is the traceback:
ERROR: 'NoneType' object has no attribute 'get'
Traceback (most recent call last):
  File \"/opt/az/lib/python3.11/site-packages/knack/cli.py\", line 233, in invoke
    cmd_result = self.invocation.execute(args)
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File \"/opt/az/lib/python3.11/site-packages/azure/cli/core/_profile.py\", line 601, in get_subscription
    subscriptions = self.load_cached_subscriptions().get('x')

AttributeError: 'NoneType' object has no attribute 'get'
To check existing issues, please visit: https://github.com/Azure/azure-cli/issues
To open a new issue, please run `az feedback`
";

    const CHAINED: &str = "\
Traceback (most recent call last):
  File \"urllib3/connection.py\", line 174, in _new_conn
    conn = connection.create_connection(
socket.gaierror: [Errno -2] Name or service not known

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"urllib3/connectionpool.py\", line 715, in urlopen
    httplib_response = self._make_request(
urllib3.exceptions.NewConnectionError: <HTTPSConnection>: Failed to establish a new connection
on two lines

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"requests/adapters.py\", line 501, in send
    raise ConnectionError(e, request=request)
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded
";

    #[test]
    fn a_traceback_is_cut_to_its_exception() {
        let expected = "ERROR: The command failed with an unexpected error. \
                        AttributeError: 'NoneType' object has no attribute 'get'";
        assert_eq!(summary(UNEXPECTED), expected);
        assert_eq!(summary(&UNEXPECTED.replace('\n', "\r\n")), expected);
    }

    #[test]
    fn a_message_above_chained_tracebacks_is_not_repeated() {
        let (_, last) = CHAINED.rsplit_once("ConnectionError: ").expect("there");
        assert_eq!(
            summary(&format!("ERROR: {last}{CHAINED}")),
            format!("requests.exceptions.ConnectionError: {}", last.trim())
        );
    }

    #[test]
    fn of_chained_tracebacks_the_last_exception_counts() {
        let expected = "requests.exceptions.ConnectionError: \
             HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded";
        assert_eq!(summary(CHAINED), expected);
        assert_eq!(summary(&CHAINED.replace('\n', "\r\n")), expected);
    }

    #[test]
    fn a_traceback_without_its_beginning_or_its_end_shows_no_frame_unless_there_is_nothing_else() {
        let (_, tail) = UNEXPECTED.split_once("last):\n").expect("a traceback");
        assert_eq!(
            summary(tail),
            "AttributeError: 'NoneType' object has no attribute 'get'"
        );
        let killed = "ERROR: no\nTraceback (most recent call last):\n  File \"a.py\", line 1\n";
        assert_eq!(summary(killed), "ERROR: no");
        let only_frames = "Traceback (most recent call last):\n  File \"a.py\", line 1\n";
        assert!(summary(only_frames).starts_with("Traceback"));
    }

    #[test]
    fn errors_are_kept_and_warnings_are_not() {
        let said = "WARNING: You have 2 updates available.\n\
                    /opt/az/lib/python3.12/site-packages/a/b.py:12: SyntaxWarning: invalid escape sequence '\\d'\n\
                    \x20 pattern = '\\d'\n\
                    ERROR: Please run 'az login' to setup account.\n\
                    to do: nothing.\n";
        assert_eq!(
            summary(said),
            "ERROR: Please run 'az login' to setup account. to do: nothing."
        );
        assert_eq!(summary("WARNING: all there is\n"), "WARNING: all there is");
        assert_eq!(summary(" \n"), "it said nothing");
    }

    #[test]
    fn the_message_of_an_exception_may_have_several_lines() {
        let said = "Traceback (most recent call last):\n  File \"a.py\", line 1, in b\n    c()\n\
                    AuthenticationError: AADSTS50076: Due to a change\nTrace ID: 1\n";
        assert_eq!(
            summary(said),
            "AuthenticationError: AADSTS50076: Due to a change Trace ID: 1"
        );
    }

    #[test]
    fn a_token_and_a_proxys_password_are_not_shown() {
        assert_eq!(
            summary(
                "ERROR: (token='eyJ0eXAi.eyJhIjox.c2ln-_', proxy='http://joe:p@ss@proxy:80/x') eyJust https://a/b@c"
            ),
            "ERROR: (token='…', proxy='http://…@proxy:80/x') eyJust https://a/b@c"
        );
    }

    #[test]
    fn the_beginning_of_long_output_is_cut() {
        let said = summary(&format!("{} end\n of it", "x ".repeat(2000)));
        assert!(said.starts_with('…') && said.ends_with("end of it"));
        assert!(said.len() < 700);
    }
}
