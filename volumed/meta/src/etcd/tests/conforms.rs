//! The suite, on one member and on three.

use hayrack_etcd::Cluster;

use crate::Location;
use crate::conformance::Backend;
use crate::etcd::MEMBER_ARGUMENTS;

impl Backend for Cluster {
    fn location(&self) -> Location {
        format!("etcd://{}", self.endpoints()).parse().unwrap()
    }

    fn kill(&mut self) {
        for member in 0..self.size() {
            Cluster::kill(self, member);
        }
        for member in 0..self.size() {
            self.spawn_again(member);
        }
    }
}

mod one_member {
    use super::*;
    use crate::conformance::conforms;

    fn fresh() -> Cluster {
        Cluster::start_with(1, &MEMBER_ARGUMENTS)
    }

    conforms!(fresh);
}

mod three_members {
    use super::*;
    use crate::conformance::conforms;

    fn fresh() -> Cluster {
        Cluster::start_with(3, &MEMBER_ARGUMENTS)
    }

    conforms!(fresh);
}
