//! From the text of a query to its tree: words first, then one function a level of binding.

use serde_json::Value;

use super::{Expr, Order, QueryError};

/// How deep parentheses, calls and indices may nest.
pub(super) const DEEPEST: usize = 32;

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Name(String),
    Text(String),
    Number(serde_json::Number),
    Sign(&'static str),
}

/// Longer signs first, so that `==` is not read as two.
const SIGNS: [&str; 16] =
    ["==", "!=", "<=", ">=", "&&", "||", "=>", "<", ">", "(", ")", "[", "]", ".", ",", "="];

fn words(text: &str) -> Result<Vec<(Word, usize)>, QueryError> {
    let characters: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    let syntax = |what: String, at: usize| QueryError::Syntax { what, at: at + 1 };
    while let Some(&first) = characters.get(at) {
        let start = at;
        let run = |fits: fn(char) -> bool| -> String {
            characters.iter().skip(start).take_while(|c| fits(**c)).collect()
        };
        if first.is_whitespace() {
            at += 1;
        } else if first == '"' || first == '\'' {
            let body: String =
                characters.iter().skip(start + 1).take_while(|c| **c != first).collect();
            at = start + body.chars().count() + 2;
            if at > characters.len() {
                return Err(syntax("string without its end".to_owned(), start));
            }
            words.push((Word::Text(body), start));
        } else if first.is_ascii_digit() {
            let number = run(|c| c.is_ascii_digit() || c == '.');
            at += number.chars().count();
            let parsed = serde_json::from_str(&number)
                .map_err(|_| syntax(format!("{number:?} is no number"), start))?;
            words.push((Word::Number(parsed), start));
        } else if first.is_alphabetic() || first == '_' {
            let name = run(|c| c.is_alphanumeric() || c == '-' || c == '_');
            at += name.chars().count();
            words.push((Word::Name(name), start));
        } else {
            let rest: String = characters.iter().skip(start).take(2).collect();
            let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
                return Err(syntax(format!("unexpected `{first}`"), start));
            };
            at += sign.len();
            words.push((Word::Sign(sign), start));
        }
    }
    Ok(words)
}

pub(super) fn query(text: &str) -> Result<Expr, QueryError> {
    let end = text.chars().count();
    let mut parser = Parser { words: words(text)?, at: 0, end, depth: 0 };
    let expr = parser.or()?;
    match parser.words.get(parser.at) {
        None => Ok(expr),
        Some(_) => Err(parser.expected("the end")),
    }
}

struct Parser {
    words: Vec<(Word, usize)>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn expected(&self, what: &str) -> QueryError {
        let at = self.words.get(self.at).map_or(self.end, |(_, at)| *at) + 1;
        QueryError::Syntax { what: format!("expected {what}"), at }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let here = matches!(self.words.get(self.at), Some((Word::Sign(s), _)) if *s == sign);
        self.at += usize::from(here);
        here
    }

    fn need(&mut self, sign: &str) -> Result<(), QueryError> {
        if self.sign(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    fn name(&mut self) -> Option<String> {
        match self.words.get(self.at) {
            Some((Word::Name(name), _)) => {
                self.at += 1;
                Some(name.clone())
            }
            _ => None,
        }
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(QueryError::Deep);
        }
        let mut left = self.and()?;
        while self.sign("||") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, QueryError> {
        let mut left = self.comparison()?;
        while self.sign("&&") {
            left = Expr::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expr, QueryError> {
        let left = self.postfix()?;
        const ORDERS: [Order; 6] = [
            Order::Equal,
            Order::Unequal,
            Order::LessOrEqual,
            Order::MoreOrEqual,
            Order::Less,
            Order::More,
        ];
        if matches!(self.words.get(self.at), Some((Word::Sign("="), _))) {
            return Err(self.expected("`==`"));
        }
        for order in ORDERS {
            if self.sign(order.as_str()) {
                let right = self.postfix()?;
                return Ok(Expr::Compare(Box::new(left), order, Box::new(right)));
            }
        }
        Ok(left)
    }

    fn postfix(&mut self) -> Result<Expr, QueryError> {
        let mut expr = self.primary()?;
        loop {
            if self.sign(".") {
                let name = self.name().ok_or_else(|| self.expected("a name"))?;
                expr = Expr::Field(Box::new(expr), name);
            } else if self.sign("[") {
                let by = self.or()?;
                self.need("]")?;
                expr = Expr::Index(Box::new(expr), Box::new(by));
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        if self.sign("(") {
            let inner = self.or()?;
            self.need(")")?;
            return Ok(inner);
        }
        if let Some(name) = self.name() {
            return match name.as_str() {
                "true" => Ok(Expr::Literal(Value::Bool(true))),
                "false" => Ok(Expr::Literal(Value::Bool(false))),
                _ if !self.sign("(") => Ok(Expr::Name(name)),
                "forEach" => self.for_each(),
                _ => self.call(name),
            };
        }
        let literal = match self.words.get(self.at) {
            Some((Word::Text(text), _)) => Value::String(text.clone()),
            Some((Word::Number(number), _)) => Value::Number(number.clone()),
            _ => return Err(self.expected("a value")),
        };
        self.at += 1;
        Ok(Expr::Literal(literal))
    }

    fn for_each(&mut self) -> Result<Expr, QueryError> {
        let of = self.or()?;
        self.need(",")?;
        let name = self.name().ok_or_else(|| self.expected("a name"))?;
        self.need("=>")?;
        let each = self.or()?;
        self.need(")")?;
        Ok(Expr::ForEach(Box::new(of), name, Box::new(each)))
    }

    fn call(&mut self, name: String) -> Result<Expr, QueryError> {
        let mut arguments = Vec::new();
        if !self.sign(")") {
            arguments.push(self.or()?);
            while self.sign(",") {
                arguments.push(self.or()?);
            }
            self.need(")")?;
        }
        Ok(Expr::Call(name, arguments))
    }
}
