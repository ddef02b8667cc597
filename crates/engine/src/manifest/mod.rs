//! A manifest and what it means: YAML in, a [`Plan`](crate::plan::Plan) or every mistake at once out.
//!
//! [`load`] reads the file, what it imports and the project's `backline.yaml`, opens the stems, and touches nothing else: no
//! network, no clock, and no environment variable that the manifest does not list. The same files give the same plan on every
//! machine. The program's commands call it; the driver carries its plan out.

mod address;
mod budget;
mod catalogue;
mod compile;
mod diagnostic;
mod examine;
mod expand;
mod fields;
mod functions;
mod hooks;
mod key;
mod layer;
mod limits;
mod load;
pub mod lock;
mod matrix;
mod naming;
mod node;
mod output;
mod pattern;
mod provider;
mod recordings;
mod schema;
mod selection;
mod settings;
mod source;
mod stems;
mod template;
mod yaml;

pub(crate) use address::unsigned;
pub(crate) use compile::default_title;
pub(crate) use diagnostic::nearest_of as nearest_name;
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub(crate) use key::{Recording, Request, first_key, former_keys, job_key};
pub use limits::parse_duration;
pub use load::{DEFAULT_MAX_JOBS, LoadOptions, Loaded, load};
pub use output::{Output, OutputError, TrackName};
pub use schema::SCHEMA;
pub use selection::{Filter, NotAFilter, Selection};
pub(crate) use settings::{NAMES as SETTING_NAMES, Setting, check as check_setting, trimmed};
