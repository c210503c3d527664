//! The table of names follows the ids that sessions give and their peers retire.

use super::Endpoint;
use super::route::name_of;
use crate::crypto::Provider;
use crate::path::{OwnIds, mark_of};

impl<P: Provider> Endpoint<P> {
    /// Gives the peer of a session the ids it may have. One that names another session already, or has the mark of another of this session, is left
    /// out: its number stays empty.
    pub(super) fn give_ids(&mut self, slot: u32) {
        let Some(core) = self.slots.at_mut(slot) else { return };
        let first = core.local_id();
        while let Some(sequence) = core.wanted_id() {
            let id = self.shared.ids.further(&first, sequence);
            let name = name_of(&id);
            let mut others = core.own_ids().active().map(|sequence| self.shared.ids.further(&first, sequence));
            let taken = self.routes.find(name).is_some() || others.any(|other| mark_of(&other) == mark_of(&id));
            core.give_id(taken);
            if !taken {
                self.routes.insert(name, slot);
            }
        }
    }

    /// Removes the names of ids that the session had and has no more.
    pub(super) fn forget_retired(&mut self, slot: u32, before: OwnIds) {
        let Some(core) = self.slots.at(slot) else { return };
        let (first, kept) = (core.local_id(), core.own_ids());
        for sequence in before.active().filter(|sequence| !kept.is_active(*sequence)) {
            self.routes.remove(name_of(&self.shared.ids.further(&first, sequence)), slot);
        }
    }

    /// Removes all names of a session.
    pub(super) fn forget_names(&mut self, slot: u32) {
        let Some(core) = self.slots.at(slot) else { return };
        let (first, ids) = (core.local_id(), core.own_ids());
        for sequence in ids.active() {
            self.routes.remove(name_of(&self.shared.ids.further(&first, sequence)), slot);
        }
    }

    /// Enters all names of a session under the slot it is in.
    pub(super) fn enter_names(&mut self, slot: u32) {
        let Some(core) = self.slots.at(slot) else { return };
        let (first, ids) = (core.local_id(), core.own_ids());
        for sequence in ids.active() {
            self.routes.insert(name_of(&self.shared.ids.further(&first, sequence)), slot);
        }
    }
}
