//! The control family, which knows the ids of all others (`linux/genetlink.h`).

use crate::attribute::{Attributes, Writer};
use crate::{Malformed, Request};

/// `CTRL_CMD_GETFAMILY`.
const GET_FAMILY: u8 = 3;
// `CTRL_ATTR_…`.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// Asks for a family; the kernel refuses with `ENOENT` when no module has registered it.
pub fn find_family(name: &str) -> Request {
    let mut attributes = Writer::default();
    attributes.text(FAMILY_NAME, name);
    Request {
        family: Family::CONTROL,
        command: GET_FAMILY,
        attributes,
    }
}

/// What the kernel answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    /// For requests, as long as the module stays loaded.
    pub id: u16,
    /// Whose members are told of events: names and ids.
    pub groups: Vec<(String, u32)>,
}

impl Family {
    /// The id of the control family itself (`GENL_ID_CTRL`).
    pub const CONTROL: u16 = 16;

    /// Reads the answer.
    pub fn read(answer: &Attributes<'_>) -> Result<Self, Malformed> {
        let id = answer.find(FAMILY_ID)?.ok_or(Malformed)?.u16()?;
        let mut groups = Vec::new();
        if let Some(list) = answer.find(GROUPS)? {
            for group in list.nested() {
                let group = group?.nested();
                let name = group.find(GROUP_NAME)?.ok_or(Malformed)?.text()?;
                let id = group.find(GROUP_ID)?.ok_or(Malformed)?.u32()?;
                groups.push((name.to_owned(), id));
            }
        }
        Ok(Self { id, groups })
    }

    /// The id of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        let found = self.groups.iter().find(|(own, _)| own == name);
        found.map(|(_, id)| *id)
    }
}
