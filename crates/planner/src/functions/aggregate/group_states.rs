//! The states of aggregates in a view, by slot of their group.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray};
use datafusion::error::{DataFusionError, Result as DfResult};
use weir_dataflow::{GroupRows, GroupStates, StateBytes};
use weir_delta::Weights;
use weir_types::{Error, SqlType};

use super::exact::Reader;
use super::extremes::{self, Side};
use super::rows::{self, Input, State, counts};
use super::tallies::{BitAndOr, BitXor, BoolAnd, BoolOr, Count};
use super::{Body, BoundAggregate};
use crate::functions::overload::CallTypes;
use crate::functions::scalar::external;

/// States without groups for a call of `count`.
pub(crate) fn count() -> Arc<dyn GroupStates> {
    let types = CallTypes { arguments: Vec::new(), returns: SqlType::Int8 };
    Arc::new(States::<Count>::new(types))
}

impl BoundAggregate {
    /// States without groups, for a call whose rows can be taken back unless `append_only`; `None` where
    /// the aggregate has none.
    pub(crate) fn group_states(&self, append_only: bool) -> Option<Arc<dyn GroupStates>> {
        match &self.body {
            Body::Rows(factory) => factory.group_states(&self.types, append_only),
            Body::FloatExtreme(_) => self.extreme(append_only),
            Body::Native(_) => match self.name.as_str() {
                "min" | "max" => self.extreme(append_only),
                "bool_and" | "every" => Some(self.states::<BoolAnd>()),
                "bool_or" => Some(self.states::<BoolOr>()),
                "bit_and" => Some(self.states::<BitAndOr<true>>()),
                "bit_or" => Some(self.states::<BitAndOr<false>>()),
                "bit_xor" => Some(self.states::<BitXor>()),
                _ => None,
            },
            Body::Collected(_) => None,
        }
    }

    fn extreme(&self, append_only: bool) -> Option<Arc<dyn GroupStates>> {
        let side = if self.name == "max" { Side::Largest } else { Side::Smallest };
        extremes::states(self.types.arguments.first()?, side, append_only)
    }

    fn states<S: State>(&self) -> Arc<dyn GroupStates> {
        Arc::new(States::<S>::new(self.types.clone()))
    }
}

/// A state for each slot.
pub(super) struct States<S> {
    states: Vec<S>,
    types: CallTypes,
}

impl<S: State> States<S> {
    pub(super) fn new(types: CallTypes) -> Self {
        Self { states: Vec::new(), types }
    }

    fn with(&self, states: Vec<S>) -> Self {
        Self { states, types: self.types.clone() }
    }
}

/// `other` as what it must be.
pub(super) fn same_kind<T: 'static>(other: &dyn GroupStates) -> DfResult<&T> {
    let other: &dyn Any = other;
    other.downcast_ref().ok_or_else(|| external(Error::internal("states of two aggregates met")))
}

impl<S: State> GroupStates for States<S> {
    fn empty(&self) -> Box<dyn GroupStates> {
        Box::new(self.with(Vec::new()))
    }

    fn grow(&mut self, n_slots: usize) {
        if self.states.len() < n_slots {
            self.states.resize(n_slots, S::default());
        }
    }

    fn update(&mut self, rows: &GroupRows<'_>) -> DfResult<()> {
        let valid = rows::counting_rows::<S>(rows.arguments, None);
        let input = Input::new(rows.arguments);
        let counted =
            rows.rows.iter().zip(rows.slots).map(|(row, slot)| (*row as usize, *slot as usize));
        let counted = counted.filter(|(row, _)| counts(valid.as_ref(), *row));
        match rows.weights {
            Weights::Mixed(weights) => {
                for (row, slot) in counted {
                    let weight = weights[row];
                    for _ in 0..weight.unsigned_abs() {
                        self.states[slot].add(&input, row, weight < 0).map_err(external)?;
                    }
                }
            }
            uniform => {
                let takes = *uniform == Weights::Neg;
                for (row, slot) in counted {
                    self.states[slot].add(&input, row, takes).map_err(external)?;
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn GroupStates) -> DfResult<()> {
        let other = same_kind::<Self>(other)?;
        for (slot, state) in slots.iter().zip(&other.states) {
            self.states[*slot as usize].merge(state).map_err(external)?;
        }
        Ok(())
    }

    fn gather(&self, slots: &[u32]) -> Box<dyn GroupStates> {
        let states = slots.iter().map(|slot| self.states[*slot as usize].clone());
        Box::new(self.with(states.collect()))
    }

    fn scatter(&mut self, slots: &[u32], from: Box<dyn GroupStates>) {
        let from: Box<dyn Any> = from;
        let Ok(from) = from.downcast::<Self>() else { return };
        for (slot, state) in slots.iter().zip(from.states) {
            self.states[*slot as usize] = state;
        }
    }

    fn reset(&mut self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.states[*slot as usize] = S::default());
    }

    fn results(&self) -> DfResult<ArrayRef> {
        S::finish(&self.states, &self.types).map_err(external)
    }

    fn write(&self, slots: &[u32]) -> StateBytes {
        rows::stored_bytes(slots.iter().map(|slot| &self.states[*slot as usize]))
    }

    fn read(&mut self, slots: &[u32], bytes: &BinaryArray) -> DfResult<()> {
        for (row, slot) in slots.iter().enumerate() {
            let state = S::read(&mut Reader(bytes.value(row)));
            self.states[*slot as usize] = state.ok_or_else(damaged)?;
        }
        Ok(())
    }

    fn n_bytes(&self) -> usize {
        self.states.capacity() * size_of::<S>() + self.states.len() * S::HEAP_BYTES
    }
}

pub(super) fn damaged() -> DataFusionError {
    external(Error::corrupt("the stored state of an aggregate is damaged"))
}
