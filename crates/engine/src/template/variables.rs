//! The values that templates read.

use std::sync::Arc;

use handlebars::Context;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

/// The variables that are the same for all jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fixed {
    pub(crate) name: String,
    pub(crate) vars: Json,
    pub(crate) env: Json,
}

/// The variables of one job after the other, changed only where two jobs differ.
pub(crate) struct Variables {
    pub(crate) context: Context,
}

impl Variables {
    pub(crate) fn new(fixed: &Fixed) -> Self {
        let mut context = Context::null();
        *context.data_mut() = json!({ "name": fixed.name, "vars": fixed.vars, "env": fixed.env });
        Self { context }
    }

    pub(crate) fn stem(&mut self, id: &str, vars: &Arc<Json>) {
        self.record("stem", id, vars);
    }

    pub(crate) fn preset(&mut self, id: &str, vars: &Arc<Json>) {
        self.record("preset", id, vars);
    }

    pub(crate) fn sweep(&mut self, sweep: &IndexMap<String, String>) {
        let values = sweep
            .iter()
            .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
            .collect();
        self.set("sweep", Json::Object(values));
    }

    pub(crate) fn take(&mut self, take: u32) {
        self.set("take", take.into());
    }

    fn record(&mut self, what: &str, id: &str, vars: &Arc<Json>) {
        if self.context.data()[what]["id"] != id {
            self.set(what, json!({ "id": id, "vars": **vars }));
        }
    }

    pub(crate) fn set(&mut self, what: &str, value: Json) {
        self.context.data_mut()[what] = value;
    }
}
