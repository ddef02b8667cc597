//! The address of a ledger on a server.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The address of a ledger, `postgres://user@host:port/database?sslmode=verify-full`. It contains no password.
///
/// The password comes from `PGPASSWORD`, or from the file that `PGPASSFILE` names (`~/.pgpass` by default), as for every client of
/// PostgreSQL: what is in an address would be in lists of processes and in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
}

/// Why a text is not the address of a ledger. The text itself is not shown: it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no address of a PostgreSQL server.
    #[error("the ledger's address is not of the form postgres://user@host/database")]
    Malformed,
    /// It contains a password.
    #[error(
        "the ledger's address contains a password, which lists of processes would show: set PGPASSWORD, or name a password file in PGPASSFILE"
    )]
    Password,
    /// It has an option that no connection has. Left out, a misspelt `sslmode` would remove the check of the server's certificate.
    #[error(
        "the ledger's address has the unknown option `{name}`; it may have {}",
        OPTIONS.join(", ")
    )]
    Option {
        /// The option's name.
        name: String,
    },
}

/// The options of an address.
const OPTIONS: [&str; 9] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "user",
    "dbname",
    "options",
];

impl Address {
    /// Whether a text is meant as the address of a ledger on a server, rather than as a file's path.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// How to connect. Only what PgBouncer takes at the start of a connection is sent there.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options = PgConnectOptions::from_str(self.url.as_str())?;
        Ok(options
            .extra_float_digits(None)
            .application_name(&format!("backline {}", std::process::id())))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
        if !Self::is_meant_by(text) || url.path().trim_start_matches('/').is_empty() {
            return Err(AddressError::Malformed);
        }
        let names_password = |(name, _): (_, _)| name == "password";
        if url.password().is_some() || url.query_pairs().any(names_password) {
            return Err(AddressError::Password);
        }
        let mut names = url.query_pairs().map(|(name, _)| name);
        if let Some(name) = names.find(|name| !OPTIONS.contains(&name.as_ref())) {
            return Err(AddressError::Option {
                name: name.into_owned(),
            });
        }
        Ok(Self { url })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_refused_and_not_shown() {
        for text in [
            "postgres://ann:secret@db/ledger",
            "postgres://ann@db/ledger?password=secret",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error, AddressError::Password);
            assert!(!error.to_string().contains("secret"));
        }
        for text in ["postgres://db", "mysql://db/ledger", "ledger.sqlite3"] {
            assert_eq!(
                text.parse::<Address>(),
                Err(AddressError::Malformed),
                "{text}"
            );
        }
        let misspelt = "postgres://ann@db/ledger?sslmod=verify-full".parse::<Address>();
        let error = misspelt.unwrap_err().to_string();
        assert!(error.contains("`sslmod`; it may have sslmode, "), "{error}");
        let text = "postgres://ann@db:5433/ledger?sslmode=require";
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
}
