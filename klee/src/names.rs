//! Names for containers whose users did not think of one: `<adjective>_<surname>`.

use crate::failure::Failure;

const ADJECTIVES: &[&str] = &[
    "able", "agile", "alert", "amber", "ample", "apt", "arctic", "astute", "autumn", "avid", "azure",
    "balmy", "bold", "brave", "breezy", "brief", "bright", "brisk", "bronze", "busy", "calm", "candid",
    "careful", "cheery", "chief", "civil", "clear", "clever", "coastal", "cobalt", "cordial", "cosmic",
    "cosy", "crisp", "curious", "dapper", "daring", "dawning", "deft", "dewy", "eager", "early", "earnest",
    "easy", "fair", "famous", "fearless", "fine", "fleet", "fluent", "fond", "frank", "fresh", "gentle",
    "gifted", "glad", "golden", "graceful", "grand", "hardy", "hearty", "honest", "humble", "ideal", "jolly",
    "jovial", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild", "modest",
    "neat", "nimble", "noble", "patient", "placid", "polite", "prime", "proud", "quick", "quiet", "ready",
    "robust", "rosy", "serene", "sharp", "silent", "silver", "sincere", "sleek", "smart", "snug", "solar",
    "solid", "stellar", "sturdy", "subtle", "sunny", "swift", "tidy", "vivid", "warm", "witty",
];

const SURNAMES: &[&str] = &[
    "abel",
    "ampere",
    "archimedes",
    "aryabhata",
    "babbage",
    "backus",
    "banach",
    "bardeen",
    "bartik",
    "becquerel",
    "bernoulli",
    "bessel",
    "bohr",
    "boltzmann",
    "boole",
    "borg",
    "bose",
    "boyle",
    "brahe",
    "brouwer",
    "cantor",
    "carson",
    "cartan",
    "cauchy",
    "cerf",
    "chandra",
    "church",
    "clarke",
    "codd",
    "cohen",
    "copernicus",
    "coulomb",
    "cray",
    "curie",
    "dahl",
    "darwin",
    "dedekind",
    "deligne",
    "descartes",
    "dijkstra",
    "diophantus",
    "dirac",
    "easley",
    "edison",
    "einstein",
    "elion",
    "engelbart",
    "erdos",
    "eratosthenes",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "fourier",
    "franklin",
    "frege",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "gibbs",
    "godel",
    "goldberg",
    "goodall",
    "grothendieck",
    "hamilton",
    "hamming",
    "hardy",
    "hawking",
    "hermite",
    "herschel",
    "hertz",
    "hilbert",
    "hoare",
    "hodgkin",
    "holberton",
    "hooke",
    "hopper",
    "hubble",
    "huygens",
    "hypatia",
    "jacobi",
    "jackson",
    "jennings",
    "johnson",
    "joule",
    "kay",
    "keller",
    "kepler",
    "kernighan",
    "khayyam",
    "kleene",
    "knuth",
    "kolmogorov",
    "kovalevskaya",
    "lagrange",
    "lamarr",
    "lamport",
    "laplace",
    "lavoisier",
    "leavitt",
    "legendre",
    "leibniz",
    "lichterman",
    "linnaeus",
    "liskov",
    "lorentz",
    "lovelace",
    "maxwell",
    "mayer",
    "mccarthy",
    "mcclintock",
    "mcilroy",
    "meitner",
    "mendel",
    "mendeleev",
    "milner",
    "minsky",
    "mirzakhani",
    "montalcini",
    "moore",
    "morse",
    "napier",
    "nash",
    "naur",
    "newton",
    "noether",
    "nygaard",
    "ohm",
    "pascal",
    "pasteur",
    "pauli",
    "payne",
    "peano",
    "perlman",
    "planck",
    "poincare",
    "poisson",
    "post",
    "ptolemy",
    "pythagoras",
    "ramanujan",
    "ride",
    "riemann",
    "ritchie",
    "robinson",
    "rosser",
    "rubin",
    "russell",
    "rutherford",
    "sammet",
    "scholes",
    "schrodinger",
    "shannon",
    "sinoussi",
    "skolem",
    "snyder",
    "stokes",
    "stonebraker",
    "tarski",
    "tesla",
    "thales",
    "thompson",
    "torvalds",
    "turing",
    "vaughan",
    "viete",
    "volta",
    "wallis",
    "weierstrass",
    "wiles",
    "wilkes",
    "wirth",
    "wu",
    "yalow",
    "yonath",
    "zermelo",
    "zorn",
    "zuse",
];

/// A random name. Two calls may return the same one; the daemon refuses a name that is taken.
pub fn random() -> Result<String, Failure> {
    Ok(format!("{}_{}", pick(ADJECTIVES)?, pick(SURNAMES)?))
}

fn pick(words: &'static [&'static str]) -> Result<&'static str, Failure> {
    let number = getrandom::u64().map_err(|error| {
        Failure::BadValue(format!("cannot think of a name ({error}): give one by --name"))
    })?;
    // The remainder favours some words by less than one part in 10^17.
    Ok(words[(number % words.len() as u64) as usize])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_satisfies_the_rule_for_container_names() {
        for word in ADJECTIVES.iter().chain(SURNAMES) {
            assert!(!word.is_empty() && word.len() <= 13, "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn no_word_comes_twice_in_its_list() {
        for words in [ADJECTIVES, SURNAMES] {
            assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        }
    }

    #[test]
    fn names_vary() {
        let names: BTreeSet<_> = (0..20).map(|_| random().unwrap()).collect();
        assert!(names.len() > 10, "{names:?}");
        assert!(names.iter().all(|name| name.matches('_').count() == 1));
    }
}
