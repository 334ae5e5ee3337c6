//! The part of the Kusto query language that the simulated Resource Graph understands.
//!
//! Tables, `where`, `project`, `extend`, `union`, `join kind=leftouter`, `order by` and `limit`;
//! comparisons, `and`, `or`, `not`, and a few functions. Everything else is a syntax error, as an
//! operator is to Resource Graph that it does not know.

use super::lexer::{Position, Token, tokens};

/// A table and what is done to its rows, one step after another.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) table: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    Where(Expr),
    /// Columns to keep, by name.
    Project(Vec<(String, Expr)>),
    /// Columns to add or replace.
    Extend(Vec<(String, Expr)>),
    Union(Vec<Query>),
    /// A left outer join on columns of the same name.
    Join(Query, Vec<String>),
    /// Keys, each with whether it ascends.
    Order(Vec<(Expr, bool)>),
    Limit(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Text(String),
    Number(f64),
    Boolean(bool),
    Column(String),
    /// A field of a dynamic value.
    Field(Box<Expr>, String),
    Call(String, Vec<Expr>),
    Compare(Box<Expr>, Comparison, Box<Expr>),
    /// Whether the value is one of several; `true` ignores case.
    In(Box<Expr>, bool, Vec<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    EqualIgnoringCase,
    NotEqualIgnoringCase,
}

/// Where a query is not understood.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Position,
    /// What stands there; empty at the end.
    pub(super) token: String,
    pub(super) expected: &'static str,
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, SyntaxError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
    };
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected("|")),
    }
}

struct Parser {
    tokens: Vec<(Token, Position)>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is always `End`.
        &self.tokens[self.next.min(self.tokens.len() - 1)].0
    }

    fn unexpected(&self, expected: &'static str) -> SyntaxError {
        let (token, at) = &self.tokens[self.next.min(self.tokens.len() - 1)];
        SyntaxError {
            at: *at,
            token: token.to_string(),
            expected,
        }
    }

    fn takes(&mut self, symbol: &'static str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), SyntaxError> {
        if self.takes(symbol) {
            return Ok(());
        }
        Err(self.unexpected(symbol))
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(w) if w == word);
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &'static str) -> Result<(), SyntaxError> {
        if self.takes_word(word) {
            return Ok(());
        }
        Err(self.unexpected(word))
    }

    fn word(&mut self) -> Result<String, SyntaxError> {
        match self.peek().clone() {
            Token::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    fn query(&mut self) -> Result<Query, SyntaxError> {
        let table = self.word()?;
        let mut steps = Vec::new();
        while self.takes("|") {
            steps.push(self.step()?);
        }
        Ok(Query { table, steps })
    }

    fn step(&mut self) -> Result<Step, SyntaxError> {
        let here = self.unexpected("an operator");
        match self.word()?.as_str() {
            "where" => Ok(Step::Where(self.expression()?)),
            "project" => Ok(Step::Project(self.assignments()?)),
            "extend" => Ok(Step::Extend(self.assignments()?)),
            "union" => Ok(Step::Union(self.legs()?)),
            "join" => self.join(),
            "order" | "sort" => self.order(),
            "limit" | "take" => self.limit(),
            _ => Err(here),
        }
    }

    /// Every query in parentheses and every bare table of a `union`.
    fn legs(&mut self) -> Result<Vec<Query>, SyntaxError> {
        if self.takes_word("kind") {
            self.expect("=")?;
            self.expect_word("outer")?;
        }
        let mut legs = Vec::new();
        loop {
            legs.push(self.leg()?);
            if !self.takes(",") {
                return Ok(legs);
            }
        }
    }

    fn leg(&mut self) -> Result<Query, SyntaxError> {
        if self.takes("(") {
            let query = self.query()?;
            self.expect(")")?;
            return Ok(query);
        }
        Ok(Query {
            table: self.word()?,
            steps: Vec::new(),
        })
    }

    fn join(&mut self) -> Result<Step, SyntaxError> {
        self.expect_word("kind")?;
        self.expect("=")?;
        self.expect_word("leftouter")?;
        let right = self.leg()?;
        self.expect_word("on")?;
        let mut columns = vec![self.word()?];
        while self.takes(",") {
            columns.push(self.word()?);
        }
        Ok(Step::Join(right, columns))
    }

    fn order(&mut self) -> Result<Step, SyntaxError> {
        self.expect_word("by")?;
        let mut keys = Vec::new();
        loop {
            let key = self.expression()?;
            let ascends = self.takes_word("asc");
            if !ascends {
                // The default.
                self.takes_word("desc");
            }
            keys.push((key, ascends));
            if !self.takes(",") {
                return Ok(Step::Order(keys));
            }
        }
    }

    fn limit(&mut self) -> Result<Step, SyntaxError> {
        match *self.peek() {
            Token::Number(n) if n >= 0.0 => {
                self.next += 1;
                Ok(Step::Limit(n as usize))
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// `name`, `name = expression`, or a path, whose column is named as Kusto does.
    fn assignments(&mut self) -> Result<Vec<(String, Expr)>, SyntaxError> {
        let mut columns = Vec::new();
        loop {
            let is_named = matches!(
                self.tokens.get(self.next + 1),
                Some((Token::Symbol("="), _))
            );
            if is_named {
                let name = self.word()?;
                self.expect("=")?;
                columns.push((name, self.expression()?));
            } else {
                let value = self.expression()?;
                let name = name_of(&value).ok_or_else(|| self.unexpected("="))?;
                columns.push((name, value));
            }
            if !self.takes(",") {
                return Ok(columns);
            }
        }
    }

    fn expression(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.conjunction()?;
        while self.takes_word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.comparison()?;
        while self.takes_word("and") {
            left = Expr::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expr, SyntaxError> {
        const COMPARISONS: [(&str, Comparison); 4] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("=~", Comparison::EqualIgnoringCase),
            ("!~", Comparison::NotEqualIgnoringCase),
        ];
        let left = self.primary()?;
        for (symbol, comparison) in COMPARISONS {
            if self.takes(symbol) {
                let right = self.primary()?;
                return Ok(Expr::Compare(Box::new(left), comparison, Box::new(right)));
            }
        }
        if self.takes_word("in") {
            let ignores_case = self.takes("~");
            return Ok(Expr::In(Box::new(left), ignores_case, self.arguments()?));
        }
        Ok(left)
    }

    /// Expressions in parentheses, separated by commas.
    fn arguments(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression()?);
        }
        Ok(arguments)
    }

    fn primary(&mut self) -> Result<Expr, SyntaxError> {
        if self.takes("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let token = self.peek().clone();
        let error = self.unexpected("an expression");
        self.next += 1;
        match token {
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Word(word) if word == "true" || word == "false" => {
                Ok(Expr::Boolean(word == "true"))
            }
            Token::Word(name) if matches!(self.peek(), Token::Symbol("(")) => {
                Ok(Expr::Call(name, self.arguments()?))
            }
            Token::Word(name) => self.fields(Expr::Column(name)),
            Token::Symbol(_) | Token::End => Err(error),
        }
    }

    fn fields(&mut self, mut value: Expr) -> Result<Expr, SyntaxError> {
        loop {
            if self.takes(".") {
                value = Expr::Field(Box::new(value), self.word()?);
            } else if self.takes("[") {
                let Token::Text(name) = self.peek().clone() else {
                    return Err(self.unexpected("a field's name in quotes"));
                };
                self.next += 1;
                self.expect("]")?;
                value = Expr::Field(Box::new(value), name);
            } else {
                return Ok(value);
            }
        }
    }
}

/// The name of a column that a query gives none: `properties.fqdn` becomes `properties_fqdn`.
fn name_of(value: &Expr) -> Option<String> {
    match value {
        Expr::Column(name) => Some(name.clone()),
        Expr::Field(of, name) => Some(format!("{}_{name}", name_of(of)?)),
        _ => None,
    }
}
