//! A manifest and what it means: YAML in, a [`Plan`](crate::plan::Plan) or every mistake at once out.
//!
//! [`load`] reads the file, what it imports and the project's `backline.yaml`, opens the stems, and touches nothing else: no
//! network, no clock, and no environment variable that the manifest does not list. The same files give the same plan on every
//! machine. The program's commands call it; the driver carries its plan out.

mod choice;
mod hooks;
mod layer;
mod limits;
mod load;
pub mod lock;
mod matrix;
mod output;
mod provider;
mod schema;
mod source;
mod stems;
mod steps;
mod template;

pub use load::{
    DEFAULT_MAX_JOBS, DEFAULT_MAX_SOUND, DecodingWork, LoadOptions, Loaded, load, project_ledger,
    read_beside,
};
pub use matrix::partition::{NotAPartition, Partition};
pub use matrix::selection::{Filter, NotAFilter, Selection};
pub use provider::installed::{AUTO, installed_soundfont};
pub use provider::secret::KEY_VARIABLES;
pub use schema::{project_schema, schema};
pub use source::diagnostic::{Diagnostic, Diagnostics, Severity, SourceExcerpt};
pub use source::duration::parse_rate;
pub use source::files::ReadProblem;
pub use steps::insert::Starred;
