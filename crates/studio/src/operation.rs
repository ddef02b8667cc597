//! The studio's operations: songs, and the steps that process their results.

use backline_api::{Operation, Profile};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::misbehave::Codes;

/// An operation. Its name is in the database, on the bill and in misbehaviour plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// Add-instrumental.
    Song,
    /// A track as a WAV file.
    Wav,
    /// A track, split into stems.
    Stems,
    /// The notes of stems.
    Midi,
    /// The tracks of a song at new addresses.
    Recovery,
}

impl OperationKind {
    pub(crate) const ALL: [OperationKind; 5] = [
        OperationKind::Song,
        OperationKind::Wav,
        OperationKind::Stems,
        OperationKind::Midi,
        OperationKind::Recovery,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            OperationKind::Song => "add-instrumental",
            OperationKind::Wav => "wav",
            OperationKind::Stems => "stems",
            OperationKind::Midi => "midi",
            OperationKind::Recovery => "recovery",
        }
    }

    /// The vendor's operation of a step, with its paths and fields; `None` for songs.
    pub(crate) fn row(self, codes: Codes) -> Option<Operation> {
        let profile = match codes {
            Codes::Sunoapi => Profile::sunoapi(),
            Codes::Kie => Profile::kie(),
        };
        profile.step(self.name()).cloned()
    }
}

impl ToSql for OperationKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for OperationKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        let known = OperationKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name);
        known.ok_or(FromSqlError::InvalidType)
    }
}
