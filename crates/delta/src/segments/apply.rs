//! Applies deltas: finds out what a delta does, and whether it may, before anything changes.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLockUpgradableReadGuard;
use weir_types::Epoch;

use super::index::{Index, Place};
use super::list::List;
use super::segment::{SEGMENT_SIZE, Segment};
use super::{ApplyError, ApplyErrorKind, Key, Segments, State};
use crate::delta::{Delta, Weights};
use crate::equal::Sameness;
use crate::group::Groups;
use crate::hash::hash_n_rows;
use crate::rows;

/// One side of a delta: its retractions or its insertions.
struct Side {
    rows: RecordBatch,
    /// The row of the delta that each row is.
    positions: Vec<u32>,
    /// How often each row is retracted or inserted.
    counts: Vec<u64>,
}

impl Side {
    /// `None` when the side has no rows.
    fn new(delta: &Delta, is_insertion: bool) -> Result<Option<Self>, ApplyError> {
        let is_here = |row: &usize| match delta.weight(*row) {
            0 => false,
            weight => (weight > 0) == is_insertion,
        };
        let all_here = match delta.weights() {
            Weights::One => is_insertion,
            Weights::Neg => !is_insertion,
            Weights::Mixed(_) => (0..delta.len()).all(|row| is_here(&row)),
        };
        let positions: Vec<u32> = (0..delta.len()).filter(is_here).map(|row| row as u32).collect();
        if positions.is_empty() {
            return Ok(None);
        }
        let counts = positions.iter().map(|row| delta.weight(*row as usize).unsigned_abs());
        let counts = counts.collect();
        let rows = if all_here {
            delta.rows().clone()
        } else {
            rows::take(delta.rows(), &positions).map_err(|_| unfit(0))?
        };
        Ok(Some(Self { rows, positions, counts }))
    }

    fn len(&self) -> usize {
        self.positions.len()
    }

    fn all_rows(&self) -> Vec<u32> {
        (0..self.len() as u32).collect()
    }

    fn error(&self, kind: ApplyErrorKind, row: usize) -> ApplyError {
        ApplyError { kind, row: self.positions[row] as usize }
    }

    fn columns(&self, at: &[usize]) -> Vec<ArrayRef> {
        at.iter().map(|at| Arc::clone(self.rows.column(*at))).collect()
    }
}

fn unfit(row: usize) -> ApplyError {
    ApplyError { kind: ApplyErrorKind::Unfit, row }
}

/// A delta over unique keys that may be applied.
struct UniquePlan {
    /// For each retraction: hash of the key, place, number of the row.
    retractions: Vec<(u64, Place, u64)>,
    /// For each insertion: hash of the key, and the place of the retracted row of that key.
    insertions: Vec<(u64, Option<Place>)>,
}

/// For each distinct row to retract from a bag: hash, place, numbers of the copies to take out.
type BagRetractions = Vec<(u64, Place, Vec<u64>)>;

/// The rows to insert into a bag that is indexed.
struct BagInsertions {
    hashes: Vec<u64>,
    groups: Groups,
    /// The place of the rows that are the same as those of each group, before the retractions.
    places: Vec<Option<Place>>,
}

impl Segments {
    /// Carries out all retractions of the delta, then all its insertions, as part of the epoch.
    /// Epochs do not fall from call to call; several calls may be of one epoch, which readers may
    /// ask for after the last of them.
    ///
    /// # Errors
    /// When a retraction matches no live row, an insertion breaks the unique key after the
    /// retractions, or the rows are not of the schema of the store. The store is then as it was
    /// before.
    ///
    /// # Panics
    /// When the epoch is before that of an earlier call.
    pub fn apply(&self, epoch: Epoch, delta: &Delta) -> Result<(), ApplyError> {
        if delta.is_empty() {
            return Ok(());
        }
        let rows = rows::with_schema(delta.rows(), &self.schema).map_err(|_| unfit(0))?;
        let delta = &Delta::new(rows, delta.weights().clone());
        let retracted = Side::new(delta, false)?;
        let inserted = Side::new(delta, true)?;
        match self.key {
            Key::Unique(_) => self.apply_unique(epoch, retracted.as_ref(), inserted),
            Key::Bag => self.apply_bag(epoch, retracted.as_ref(), inserted),
        }
    }

    fn apply_unique(
        &self,
        epoch: Epoch,
        retracted: Option<&Side>,
        inserted: Option<Side>,
    ) -> Result<(), ApplyError> {
        let state = self.state.upgradable_read();
        let plan = self.plan_unique(&state, retracted, inserted.as_ref())?;
        let numbers: Vec<u64> = plan.retractions.iter().map(|(.., row)| *row).collect();
        let mut state = RwLockUpgradableReadGuard::upgrade(state);
        commit_unique(&mut state, epoch, plan);
        self.commit_rows(&mut state, epoch, &numbers, inserted.map(|side| side.rows));
        Ok(())
    }

    fn apply_bag(
        &self,
        epoch: Epoch,
        retracted: Option<&Side>,
        inserted: Option<Side>,
    ) -> Result<(), ApplyError> {
        if retracted.is_some() {
            self.build_index();
        }
        let state = self.state.upgradable_read();
        let list = self.list.read();
        let (mut retractions, mut insertions) = (Vec::new(), None);
        let rows = inserted.map(expand).transpose()?;
        if let Some(index) = &state.index {
            if let Some(retracted) = retracted {
                retractions = self.plan_bag_retractions(index, &list, retracted)?;
            }
            insertions = rows.as_ref().map(|rows| self.plan_bag_insertions(index, &list, rows));
        }
        drop(list);
        let numbers: Vec<u64> = retractions.iter().flat_map(|(.., rows)| rows).copied().collect();
        let mut state = RwLockUpgradableReadGuard::upgrade(state);
        commit_bag(&mut state, retractions, insertions);
        self.commit_rows(&mut state, epoch, &numbers, rows);
        Ok(())
    }

    fn plan_unique(
        &self,
        state: &State,
        retracted: Option<&Side>,
        inserted: Option<&Side>,
    ) -> Result<UniquePlan, ApplyError> {
        let index = state.index.as_ref().expect("unique keys are indexed");
        let list = self.list.read();
        let retractions = match retracted {
            Some(retracted) => self.plan_unique_retractions(index, &list, retracted)?,
            None => Vec::new(),
        };
        let Some(inserted) = inserted else {
            return Ok(UniquePlan { retractions, insertions: Vec::new() });
        };
        let removed: HashSet<Place> = retractions.iter().map(|(_, place, _)| *place).collect();

        let duplicate = |row| inserted.error(ApplyErrorKind::DuplicateKey, row);
        if let Some(row) = inserted.counts.iter().position(|count| *count > 1) {
            return Err(duplicate(row));
        }
        let keys = inserted.columns(&self.key_columns);
        let hashes = hash_n_rows(&keys, inserted.len());
        let found = index.find(&list, &self.key_columns, &keys, &hashes, &inserted.all_rows());
        let is_taken = |place: &Option<Place>| place.is_some_and(|place| !removed.contains(&place));
        if let Some(row) = found.iter().position(is_taken) {
            return Err(duplicate(row));
        }
        let groups = Groups::of_hashed(&keys, &hashes, Sameness::Equal);
        if groups.len() < inserted.len() {
            let again = |row: &usize| groups.first_row[groups.of_row[*row] as usize] != *row as u32;
            let row = (0..inserted.len()).find(again).expect("there are fewer groups than rows");
            return Err(duplicate(row));
        }
        Ok(UniquePlan { retractions, insertions: hashes.into_iter().zip(found).collect() })
    }

    fn plan_unique_retractions(
        &self,
        index: &Index,
        list: &List,
        retracted: &Side,
    ) -> Result<Vec<(u64, Place, u64)>, ApplyError> {
        let missing = |row| retracted.error(ApplyErrorKind::MissingRow, row);
        let keys = retracted.columns(&self.key_columns);
        let hashes = hash_n_rows(&keys, retracted.len());
        let found = index.find(list, &self.key_columns, &keys, &hashes, &retracted.all_rows());
        let mut removed = HashSet::with_capacity(retracted.len());
        let mut retractions = Vec::with_capacity(retracted.len());
        let mut pairs = Vec::with_capacity(retracted.len());
        for (row, (place, hash)) in found.into_iter().zip(hashes).enumerate() {
            let place = place.filter(|place| removed.insert(*place) && retracted.counts[row] == 1);
            let place = place.ok_or_else(|| missing(row))?;
            let number = index.top(place);
            retractions.push((hash, place, number));
            pairs.push((row as u32, number));
        }
        let payload = retracted.columns(&self.payload_columns);
        let same = list.equal(&self.payload_columns, &payload, &pairs, Sameness::Identical);
        match same.iter().position(|same| !same) {
            Some(row) => Err(missing(row)),
            None => Ok(retractions),
        }
    }

    fn plan_bag_retractions(
        &self,
        index: &Index,
        list: &List,
        retracted: &Side,
    ) -> Result<BagRetractions, ApplyError> {
        let columns = retracted.rows.columns();
        let hashes = hash_n_rows(columns, retracted.len());
        let groups = Groups::of_hashed(columns, &hashes, Sameness::Identical);
        let places = index.find(list, &self.key_columns, columns, &hashes, &groups.first_row);
        let counts = retracted_counts(index, retracted, &groups, &places)?;
        let retractions = groups
            .first_row
            .iter()
            .zip(places.into_iter().flatten())
            .zip(counts)
            .map(|((row, place), n)| (hashes[*row as usize], place, index.youngest(place, n)));
        Ok(retractions.collect())
    }

    fn plan_bag_insertions(&self, index: &Index, list: &List, rows: &RecordBatch) -> BagInsertions {
        let columns = rows.columns();
        let hashes = hash_n_rows(columns, rows.num_rows());
        let groups = Groups::of_hashed(columns, &hashes, Sameness::Identical);
        let places = index.find(list, &self.key_columns, columns, &hashes, &groups.first_row);
        BagInsertions { hashes, groups, places }
    }

    /// Marks the retracted rows as deleted, and adds the inserted ones.
    fn commit_rows(
        &self,
        state: &mut State,
        epoch: Epoch,
        deleted: &[u64],
        inserted: Option<RecordBatch>,
    ) {
        assert!(epoch >= state.epoch, "epochs do not fall");
        state.epoch = epoch;
        let list = self.list.read();
        for number in deleted {
            let (segment, row) = list.locate(*number).expect("a live row is held");
            segment.delete(row, epoch);
        }
        drop(list);
        self.list.write().count_deleted(deleted.len());
        let Some(rows) = inserted else { return };
        for start in (0..rows.num_rows()).step_by(SEGMENT_SIZE) {
            let piece = rows.slice(start, SEGMENT_SIZE.min(rows.num_rows() - start));
            let piece = rows::compact(&piece).expect("a copy of rows is of their types");
            let base = state.next_row;
            state.next_row += piece.num_rows() as u64;
            self.list.write().push(Segment::dense(base, piece, epoch));
            self.merge_recent();
        }
    }
}

/// The rows of a side, each as often as it counts.
fn expand(side: Side) -> Result<RecordBatch, ApplyError> {
    if side.counts.iter().all(|count| *count == 1) {
        return Ok(side.rows);
    }
    let mut positions: Vec<u32> = Vec::new();
    for (row, count) in side.counts.iter().enumerate() {
        let total = (*count).checked_add(positions.len() as u64);
        if total.is_none_or(|total| total > u64::from(u32::MAX)) {
            return Err(side.error(ApplyErrorKind::Unfit, row));
        }
        positions.extend(std::iter::repeat_n(row as u32, *count as usize));
    }
    rows::take(&side.rows, &positions).map_err(|_| unfit(0))
}

/// How many copies of each distinct row are retracted; all of them are there.
fn retracted_counts(
    index: &Index,
    retracted: &Side,
    groups: &Groups,
    places: &[Option<Place>],
) -> Result<Vec<usize>, ApplyError> {
    let held: Vec<usize> =
        places.iter().map(|place| place.map_or(0, |place| index.count(place))).collect();
    let mut counts = vec![0_usize; groups.len()];
    for (row, group) in groups.of_row.iter().enumerate() {
        let group = *group as usize;
        let total =
            u64::try_from(counts[group]).ok().and_then(|n| n.checked_add(retracted.counts[row]));
        let total = total.and_then(|total| usize::try_from(total).ok());
        counts[group] = total
            .filter(|total| *total <= held[group])
            .ok_or_else(|| retracted.error(ApplyErrorKind::MissingRow, row))?;
    }
    Ok(counts)
}

fn commit_unique(state: &mut State, epoch: Epoch, plan: UniquePlan) {
    let first = state.next_row;
    let index = state.index.as_mut().expect("unique keys are indexed");
    let mut kept = HashSet::new();
    for (row, (hash, place)) in plan.insertions.into_iter().enumerate() {
        let number = first + row as u64;
        match place {
            Some(place) => {
                kept.insert(place);
                index.renumber(hash, place, number);
            }
            None => {
                index.push(hash, None, number);
            }
        }
    }
    for (hash, place, _) in plan.retractions {
        if !kept.contains(&place) {
            index.pop(hash, place, 1);
            state.graves.add(hash, epoch);
        }
    }
}

fn commit_bag(state: &mut State, retractions: BagRetractions, insertions: Option<BagInsertions>) {
    let first = state.next_row;
    let Some(index) = &mut state.index else { return };
    let mut moved: HashMap<Place, Option<Place>> = HashMap::new();
    for (hash, place, numbers) in retractions {
        moved.insert(place, index.pop(hash, place, numbers.len()));
    }
    if let Some(BagInsertions { hashes, groups, places }) = insertions {
        let places = places
            .into_iter()
            .map(|place| place.and_then(|place| moved.get(&place).copied().unwrap_or(Some(place))));
        index.push_all(&hashes, &groups, places.collect(), first..);
    }
}
