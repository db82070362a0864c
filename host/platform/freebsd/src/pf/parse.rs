//! Reads compiled text back, for tests: an own reading of pf.conf(5)'s grammar, as far as the compiler uses it. What it
//! does not know it refuses, so that nothing can hide between the words.

use std::net::IpAddr;

use ipnet::IpNet;
use kleene_plan::{
    Action, Address, Direction, Family, FilterRule, HairpinRule, InterfaceMatch, NatRule, PortRange,
    Protocol, RdrRule, Rule,
};

/// A word, or a list in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    List(Vec<String>),
}

/// Words end where pf's do; braces make lists.
fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut list: Option<Vec<String>> = None;
    for word in line.split(' ') {
        let plain = |word: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || ".:/-_()*>".contains(c);
            if !word.is_empty() && word.chars().all(allowed) {
                Ok(word.to_owned())
            } else {
                Err(format!("'{word}' in '{line}'"))
            }
        };
        match (word, &mut list) {
            ("{", None) => list = Some(Vec::new()),
            ("}", Some(_)) => tokens.extend(list.take().map(Token::List)),
            (word, Some(list)) => list.push(plain(word.trim_end_matches(','))?),
            (word, None) => tokens.push(Token::Word(plain(word)?)),
        }
    }
    match list {
        None => Ok(tokens),
        Some(_) => Err(format!("a list is not closed in '{line}'")),
    }
}

struct Reader {
    tokens: std::vec::IntoIter<Token>,
}

impl Reader {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.tokens.as_slice().first() == Some(&Token::Word(word.to_owned()));
        if is_next {
            self.tokens.next();
        }
        is_next
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) {
            Ok(())
        } else {
            Err(format!("no '{word}' at {:?}", self.tokens.as_slice()))
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(format!("no word but {other:?}")),
        }
    }

    fn parse<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("'{word}' is none"))
    }

    /// The interfaces of `on`, empty for all.
    fn on(&mut self) -> Result<Vec<String>, String> {
        if !self.take("on") {
            return Ok(Vec::new());
        }
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(vec![word]),
            Some(Token::List(list)) => Ok(list),
            None => Err("on what?".to_owned()),
        }
    }

    fn family(&mut self) -> Result<Family, String> {
        match self.word()?.as_str() {
            "inet" => Ok(Family::Inet),
            "inet6" => Ok(Family::Inet6),
            other => Err(format!("'{other}' is no family")),
        }
    }

    fn address(&mut self) -> Result<Address, String> {
        if self.take("any") {
            return Ok(Address::Any);
        }
        self.parse().map(Address::Net)
    }

    fn end(&mut self) -> Result<(), String> {
        match self.tokens.next() {
            None => Ok(()),
            Some(token) => Err(format!("{token:?} is left")),
        }
    }
}

fn interface_match(names: &[String]) -> Result<InterfaceMatch, String> {
    match names {
        [] => Ok(InterfaceMatch::Any),
        [name] => Ok(InterfaceMatch::Named(name.parse().map_err(|_| name.clone())?)),
        [lo0, group] if lo0 == "lo0" && group == "kleene" => Ok(InterfaceMatch::KleeneNetworks),
        other => Err(format!("{other:?}")),
    }
}

/// One line, and the family it names.
pub(super) fn line(text: &str) -> Result<(Family, Rule), String> {
    let mut reader = Reader {
        tokens: tokens(text)?.into_iter(),
    };
    match reader.word()?.as_str() {
        "nat" => nat(&mut reader),
        "rdr" => rdr(&mut reader),
        "pass" => filter(Action::Pass, &mut reader),
        "block" => match reader.word()?.as_str() {
            "drop" => filter(Action::Block, &mut reader),
            "return" => filter(Action::Reject, &mut reader),
            other => Err(format!("block {other}")),
        },
        other => Err(format!("'{other}' begins no rule")),
    }
}

fn filter(action: Action, reader: &mut Reader) -> Result<(Family, Rule), String> {
    let direction = match (reader.take("in"), reader.take("out")) {
        (true, _) => Direction::In,
        (_, true) => Direction::Out,
        _ => Direction::Both,
    };
    let (log, quick) = (reader.take("log"), reader.take("quick"));
    let interface = interface_match(&reader.on()?)?;
    let family = reader.family()?;
    let mut protocol = None;
    if reader.take("proto") {
        match reader.tokens.next() {
            Some(Token::List(list)) if list == ["tcp", "udp"] => {}
            Some(Token::Word(word)) => protocol = Some(known_protocol(&word)?),
            other => return Err(format!("{other:?} is no protocol")),
        }
    }
    reader.expect("from")?;
    let from = reader.address()?;
    reader.expect("to")?;
    let to = reader.address()?;
    let to_ports = if reader.take("port") {
        Some(reader.parse()?)
    } else {
        None
    };
    reader.end()?;
    let rule = FilterRule {
        action,
        direction,
        quick,
        log,
        interface,
        protocol,
        from,
        to,
        to_ports,
    };
    Ok((family, Rule::Filter(rule)))
}

fn known_protocol(word: &str) -> Result<Protocol, String> {
    match word {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "icmp" | "ipv6-icmp" => Ok(Protocol::Icmp),
        other => Err(format!("'{other}' is no protocol")),
    }
}

fn nat(reader: &mut Reader) -> Result<(Family, Rule), String> {
    let on = reader.on()?;
    let family = reader.family()?;
    let word = reader.word()?;
    if word == "proto" {
        return Ok((family, hairpin(reader, &on)?));
    }
    if word != "from" {
        return Err(format!("'{word}' in place of 'from'"));
    }
    let from: IpNet = reader.parse()?;
    reader.expect("to")?;
    reader.expect("any")?;
    reader.expect("->")?;
    let behind = reader.word()?;
    reader.end()?;
    match on.as_slice() {
        [name] if behind == format!("({name}:0)") => Ok((
            family,
            Rule::Nat(NatRule {
                interface: name.parse().map_err(|_| name.clone())?,
                from,
            }),
        )),
        other => Err(format!("nat on {other:?} behind {behind}")),
    }
}

fn hairpin(reader: &mut Reader, on: &[String]) -> Result<Rule, String> {
    let protocol = known_protocol(&reader.word()?)?;
    reader.expect("from")?;
    let from: IpNet = reader.parse()?;
    reader.expect("to")?;
    let to: IpAddr = reader.parse()?;
    reader.expect("port")?;
    let to_ports: PortRange = reader.parse()?;
    reader.expect("->")?;
    let behind = reader.word()?;
    reader.end()?;
    match on {
        [name] if behind == format!("({name}:0)") => Ok(Rule::Hairpin(HairpinRule {
            interface: name.parse().map_err(|_| name.clone())?,
            from,
            protocol,
            to,
            to_ports,
        })),
        other => Err(format!("nat on {other:?} behind {behind}")),
    }
}

fn rdr(reader: &mut Reader) -> Result<(Family, Rule), String> {
    let on = reader.on()?;
    let family = reader.family()?;
    reader.expect("proto")?;
    let protocol = known_protocol(&reader.word()?)?;
    reader.expect("from")?;
    reader.expect("any")?;
    reader.expect("to")?;
    let host = reader.word()?;
    reader.expect("port")?;
    let ports: PortRange = reader.parse()?;
    reader.expect("->")?;
    let to: IpAddr = reader.parse()?;
    reader.expect("port")?;
    let target = reader.word()?;
    reader.end()?;
    let interface = match (on.as_slice(), host.as_str()) {
        ([], "(self)") => InterfaceMatch::Any,
        ([lo0, group], "(self)") if lo0 == "lo0" && group == "kleene" => InterfaceMatch::KleeneNetworks,
        ([name], host) | ([name, _, _], host) if host == format!("({name})") => {
            InterfaceMatch::Named(name.parse().map_err(|_| name.clone())?)
        }
        other => return Err(format!("rdr {other:?}")),
    };
    let to_ports = match target.strip_suffix(":*") {
        Some(first) => {
            let first: u16 = first.parse().map_err(|_| target.clone())?;
            PortRange::new(first, first + (ports.last() - ports.first())).map_err(|_| target.clone())?
        }
        None => PortRange::single(target.parse().map_err(|_| target.clone())?),
    };
    let rule = RdrRule {
        interface,
        protocol,
        ports,
        to,
        to_ports,
    };
    Ok((family, Rule::Rdr(rule)))
}
