//! How a disk or a node leaves.

use crate::fields::{Fields, Input};

/// How a disk or a node leaves.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Removal {
    /// Although what only it holds is lost for good.
    accept_loss: Option<bool>,
}

impl Removal {
    pub fn accepts_loss(&self) -> bool {
        self.accept_loss == Some(true)
    }
}

impl Input for Removal {
    fn read(fields: &mut Fields) -> Option<Self> {
        let accept_loss = Some(fields.flag("acceptLoss"));
        Some(Self { accept_loss })
    }
}
