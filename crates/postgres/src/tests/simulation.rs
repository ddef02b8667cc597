//! The simulated lives of a conductor, with a ledger on a server beside the model's: what is read back is what the model has, and each job
//! is what its events make of it. The model's limits are in virtual time, so its own admission decides.

use std::collections::HashMap;

use backline_engine::settings::JobKey;
use backline_engine::store::{Batch, KnownJob, Store};
use backline_engine::{SimulatedStore, simulate};

use super::server::Server;
use crate::{Address, Ledger};

/// The first seeds; each takes some hundred commits.
const SEEDS: u64 = 4;

struct OnServer {
    address: Address,
    ledger: Ledger,
}

impl SimulatedStore for OnServer {
    fn append(&mut self, batch: &Batch) {
        let committed = self.ledger.append(batch).unwrap();
        assert_eq!(committed.refused, []);
    }

    fn reopen(&mut self) {
        self.ledger = Ledger::open(&self.address).unwrap();
    }

    fn jobs(&self) -> HashMap<JobKey, KnownJob> {
        self.ledger.jobs().unwrap()
    }

    fn findings(&self) -> Vec<String> {
        let checked = self.ledger.check().unwrap();
        checked.findings.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn simulated_lives_leave_on_a_server_what_they_leave_in_the_model() {
    let Some(server) = Server::start() else {
        return;
    };
    for seed in 0..SEEDS {
        let address: Address = server.database().parse().unwrap();
        let ledger = Ledger::open(&address).unwrap();
        simulate(seed, Box::new(OnServer { address, ledger }));
    }
}
