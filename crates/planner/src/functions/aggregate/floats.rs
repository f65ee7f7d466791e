//! Aggregates of floats, exact until the result: batch and view agree to the last bit, in whatever order
//! the rows came.

use arrow::array::ArrayRef;
use arrow::datatypes::{Float32Type, Float64Type, Int64Type};
use weir_types::{Result, SqlType};

use super::exact::{Big, ExactSum, Reader};
use super::rows::{Input, State};
use super::sums::results;
use crate::functions::arithmetic::overflow;
use crate::functions::overload::CallTypes;

/// Bytes of the digits of a usual sum.
const SUM_HEAP_BYTES: usize = 64;

/// Values that no sum holds, counted so that they can be taken away again.
#[derive(Clone, Copy, Debug, Default)]
struct NotFinite {
    nan: i64,
    infinite: i64,
    minus_infinite: i64,
}

impl NotFinite {
    /// True if the value is one of them.
    fn count(&mut self, value: f64, takes: bool) -> bool {
        let counter = if value.is_nan() {
            &mut self.nan
        } else if value == f64::INFINITY {
            &mut self.infinite
        } else if value == f64::NEG_INFINITY {
            &mut self.minus_infinite
        } else {
            return false;
        };
        *counter += if takes { -1 } else { 1 };
        true
    }

    /// What their sum is, with whatever finite values beside them.
    fn sum(&self) -> Option<f64> {
        match (self.nan > 0, self.infinite > 0, self.minus_infinite > 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    fn any(&self) -> bool {
        self.sum().is_some()
    }

    /// True where none was counted, nor taken away.
    fn is_zero(&self) -> bool {
        self.nan == 0 && self.infinite == 0 && self.minus_infinite == 0
    }

    fn merge(&mut self, other: &Self) {
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.minus_infinite += other.minus_infinite;
    }

    fn write(&self, out: &mut Vec<u8>) {
        for count in [self.nan, self.infinite, self.minus_infinite] {
            out.extend_from_slice(&count.to_le_bytes());
        }
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            nan: i64::from_le_bytes(bytes.take()?),
            infinite: i64::from_le_bytes(bytes.take()?),
            minus_infinite: i64::from_le_bytes(bytes.take()?),
        })
    }
}

/// `sum`, and with `AVERAGE` `avg`.
#[derive(Clone, Debug, Default)]
pub(super) struct FloatSum<const AVERAGE: bool> {
    sum: ExactSum,
    not_finite: NotFinite,
    count: i64,
}

impl<const AVERAGE: bool> FloatSum<AVERAGE> {
    fn double(&self) -> Result<f64> {
        if let Some(sum) = self.not_finite.sum() {
            return Ok(sum);
        }
        let sum = finite(self.sum.total().to_double())?;
        Ok(if AVERAGE { sum / self.count as f64 } else { sum })
    }

    fn real(&self) -> Result<f32> {
        if let Some(sum) = self.not_finite.sum() {
            return Ok(sum as f32);
        }
        let sum = self.sum.total().to_real();
        if sum.is_infinite() { Err(overflow()) } else { Ok(sum) }
    }
}

fn finite(value: f64) -> Result<f64> {
    if value.is_infinite() { Err(overflow()) } else { Ok(value) }
}

impl<const AVERAGE: bool> State for FloatSum<AVERAGE> {
    const HEAP_BYTES: usize = SUM_HEAP_BYTES;

    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let value = input.float(0, row);
        if !self.not_finite.count(value, takes) {
            self.sum.add_float(value, takes);
        }
        self.count += if takes { -1 } else { 1 };
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.sum.merge(&other.sum);
        self.not_finite.merge(&other.not_finite);
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        self.not_finite.write(out);
        self.sum.write(out);
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let count = i64::from_le_bytes(bytes.take()?);
        let not_finite = NotFinite::read(bytes)?;
        Some(Self { count, not_finite, sum: ExactSum::read(bytes)? })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        let counted = states.iter().map(|state| (state.count > 0).then_some(state));
        if types.returns == SqlType::Float4 {
            return results::<Float32Type>(
                types,
                counted.map(|state| state.map(Self::real).transpose()),
            );
        }
        results::<Float64Type>(types, counted.map(|state| state.map(Self::double).transpose()))
    }
}

/// Which aggregate of the sums of one or two columns.
pub(super) mod kind {
    pub(in crate::functions::aggregate) const VAR_POP: u8 = 0;
    pub(in crate::functions::aggregate) const VAR_SAMP: u8 = 1;
    pub(in crate::functions::aggregate) const STDDEV_POP: u8 = 2;
    pub(in crate::functions::aggregate) const STDDEV_SAMP: u8 = 3;
    pub(in crate::functions::aggregate) const COVAR_POP: u8 = 10;
    pub(in crate::functions::aggregate) const COVAR_SAMP: u8 = 11;
    pub(in crate::functions::aggregate) const CORR: u8 = 12;
    pub(in crate::functions::aggregate) const REGR_AVGX: u8 = 13;
    pub(in crate::functions::aggregate) const REGR_AVGY: u8 = 14;
    pub(in crate::functions::aggregate) const REGR_COUNT: u8 = 15;
    pub(in crate::functions::aggregate) const REGR_INTERCEPT: u8 = 16;
    pub(in crate::functions::aggregate) const REGR_R2: u8 = 17;
    pub(in crate::functions::aggregate) const REGR_SLOPE: u8 = 18;
    pub(in crate::functions::aggregate) const REGR_SXX: u8 = 19;
    pub(in crate::functions::aggregate) const REGR_SXY: u8 = 20;
    pub(in crate::functions::aggregate) const REGR_SYY: u8 = 21;
}

/// Variances: the sums of values and of their squares.
#[derive(Clone, Debug, Default)]
pub(super) struct Variance<const KIND: u8> {
    sum: ExactSum,
    squares: ExactSum,
    not_finite: i64,
    count: i64,
}

impl<const KIND: u8> Variance<KIND> {
    fn result(&self) -> Result<Option<f64>> {
        let Some(divisor) = divisor(self.count, matches!(KIND, kind::VAR_SAMP | kind::STDDEV_SAMP))
        else {
            return Ok(None);
        };
        if self.not_finite > 0 {
            return Ok(Some(f64::NAN));
        }
        let sum = self.sum.total();
        let spread = spread(self.count, &self.squares.total(), &sum, &sum);
        let variance = finite(spread.to_double() / divisor)?;
        Ok(Some(if matches!(KIND, kind::STDDEV_POP | kind::STDDEV_SAMP) {
            variance.sqrt()
        } else {
            variance
        }))
    }
}

/// What n times a sum of squared deviations is divided by; `None` for too few rows.
fn divisor(count: i64, is_sample: bool) -> Option<f64> {
    let n = count as f64;
    match (count, is_sample) {
        (1.., false) => Some(n * n),
        (2.., true) => Some(n * (n - 1.0)),
        _ => None,
    }
}

/// n times the sum of the products of deviations: n * sum(x*y) - sum(x) * sum(y), exactly.
pub(super) fn spread(count: i64, products: &Big, x: &Big, y: &Big) -> Big {
    let n = Big::from_integer(count.unsigned_abs().into());
    n.times(products).minus(&x.times(y))
}

impl<const KIND: u8> State for Variance<KIND> {
    const HEAP_BYTES: usize = 2 * SUM_HEAP_BYTES;

    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let value = input.float(0, row);
        let sign = if takes { -1 } else { 1 };
        self.count += sign;
        if value.is_finite() {
            self.sum.add_float(value, takes);
            self.squares.add_product(value, value, takes);
        } else {
            self.not_finite += sign;
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.not_finite += other.not_finite;
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.not_finite.to_le_bytes());
        self.sum.write(out);
        self.squares.write(out);
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            count: i64::from_le_bytes(bytes.take()?),
            not_finite: i64::from_le_bytes(bytes.take()?),
            sum: ExactSum::read(bytes)?,
            squares: ExactSum::read(bytes)?,
        })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        results::<Float64Type>(types, states.iter().map(Self::result))
    }
}

/// Aggregates of pairs (Y, X): five sums, of what is finite.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs<const KIND: u8> {
    x: ExactSum,
    xx: ExactSum,
    y: ExactSum,
    yy: ExactSum,
    xy: ExactSum,
    x_not_finite: NotFinite,
    y_not_finite: NotFinite,
    count: i64,
}

/// In a stored state of pairs: the numbers of values that are not finite come next.
const NOT_FINITE_FOLLOWS: i64 = -1;

/// n times a sum of products of deviations; `None` for NaN, which a value makes of it that is not finite.
type Spread = Option<Big>;

impl<const KIND: u8> Pairs<KIND> {
    fn result(&self) -> Result<Option<f64>> {
        if self.count < 1 {
            return Ok(None);
        }
        let n = self.count as f64;
        let double = |spread: Spread| spread.map_or(f64::NAN, |spread| spread.to_double());
        let value = match KIND {
            kind::COVAR_POP | kind::COVAR_SAMP => {
                match divisor(self.count, KIND == kind::COVAR_SAMP) {
                    Some(divisor) => double(self.xy()) / divisor,
                    None => return Ok(None),
                }
            }
            kind::REGR_AVGX => return average(&self.x, &self.x_not_finite, n).map(Some),
            kind::REGR_AVGY => return average(&self.y, &self.y_not_finite, n).map(Some),
            kind::REGR_SXX => double(self.xx()) / n,
            kind::REGR_SYY => double(self.yy()) / n,
            kind::REGR_SXY => double(self.xy()) / n,
            kind::CORR => return correlation(self.xy(), self.xx(), self.yy()),
            kind::REGR_R2 => return determination(self.xy(), self.xx(), self.yy()),
            _ => return self.line(n),
        };
        Ok(Some(finite(value)?))
    }

    fn xx(&self) -> Spread {
        let x = self.x.total();
        (!self.x_not_finite.any()).then(|| spread(self.count, &self.xx.total(), &x, &x))
    }

    fn yy(&self) -> Spread {
        let y = self.y.total();
        (!self.y_not_finite.any()).then(|| spread(self.count, &self.yy.total(), &y, &y))
    }

    fn xy(&self) -> Spread {
        (!self.x_not_finite.any() && !self.y_not_finite.any())
            .then(|| spread(self.count, &self.xy.total(), &self.x.total(), &self.y.total()))
    }

    /// Slope or intercept of the regression line.
    fn line(&self, n: f64) -> Result<Option<f64>> {
        let xx = self.xx();
        if is_zero(&xx) {
            return Ok(None);
        }
        let (Some(xx), Some(xy)) = (xx, self.xy()) else { return Ok(Some(f64::NAN)) };
        let spread = xx.to_double();
        let value = if KIND == kind::REGR_SLOPE {
            xy.to_double() / spread
        } else {
            let (x, y) = (self.x.total(), self.y.total());
            y.times(&xx).minus(&x.times(&xy)).to_double() / (n * spread)
        };
        Ok(Some(finite(value)?))
    }
}

fn average(sum: &ExactSum, not_finite: &NotFinite, n: f64) -> Result<f64> {
    not_finite.sum().map_or_else(|| finite(sum.total().to_double() / n), Ok)
}

fn is_zero(spread: &Spread) -> bool {
    spread.as_ref().is_some_and(Big::is_zero)
}

fn correlation(xy: Spread, xx: Spread, yy: Spread) -> Result<Option<f64>> {
    if is_zero(&xx) || is_zero(&yy) {
        return Ok(None);
    }
    let (Some(xy), Some(xx), Some(yy)) = (xy, xx, yy) else { return Ok(Some(f64::NAN)) };
    let product = finite(xx.times(&yy).to_double())?;
    Ok(Some((xy.to_double() / product.sqrt()).clamp(-1.0, 1.0)))
}

fn determination(xy: Spread, xx: Spread, yy: Spread) -> Result<Option<f64>> {
    if is_zero(&xx) {
        return Ok(None);
    }
    // On a horizontal line every point is where it should be.
    if is_zero(&yy) {
        return Ok(Some(1.0));
    }
    let (Some(xy), Some(xx), Some(yy)) = (xy, xx, yy) else { return Ok(Some(f64::NAN)) };
    Ok(Some(finite(xy.times(&xy).to_double())? / finite(xx.times(&yy).to_double())?))
}

impl<const KIND: u8> State for Pairs<KIND> {
    const HEAP_BYTES: usize = 5 * SUM_HEAP_BYTES;

    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let (y, x) = (input.float(0, row), input.float(1, row));
        let sign = if takes { -1 } else { 1 };
        self.count += sign;
        if !self.x_not_finite.count(x, takes) {
            self.x.add_float(x, takes);
            self.xx.add_product(x, x, takes);
        }
        if !self.y_not_finite.count(y, takes) {
            self.y.add_float(y, takes);
            self.yy.add_product(y, y, takes);
        }
        if x.is_finite() && y.is_finite() {
            self.xy.add_product(x, y, takes);
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.x.merge(&other.x);
        self.xx.merge(&other.xx);
        self.y.merge(&other.y);
        self.yy.merge(&other.yy);
        self.xy.merge(&other.xy);
        self.x_not_finite.merge(&other.x_not_finite);
        self.y_not_finite.merge(&other.y_not_finite);
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        let has_not_finite = !(self.x_not_finite.is_zero() && self.y_not_finite.is_zero());
        let mark = if has_not_finite { NOT_FINITE_FOLLOWS } else { 0 };
        out.extend_from_slice(&mark.to_le_bytes());
        if has_not_finite {
            self.x_not_finite.write(out);
            self.y_not_finite.write(out);
        }
        for sum in [&self.x, &self.xx, &self.y, &self.yy, &self.xy] {
            sum.write(out);
        }
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let count = i64::from_le_bytes(bytes.take()?);
        let (x_not_finite, y_not_finite) = match i64::from_le_bytes(bytes.take()?) {
            0 => Default::default(),
            NOT_FINITE_FOLLOWS => (NotFinite::read(bytes)?, NotFinite::read(bytes)?),
            // A number of pairs, of which it is not known what was finite.
            _ => return None,
        };
        Some(Self {
            x: ExactSum::read(bytes)?,
            xx: ExactSum::read(bytes)?,
            y: ExactSum::read(bytes)?,
            yy: ExactSum::read(bytes)?,
            xy: ExactSum::read(bytes)?,
            x_not_finite,
            y_not_finite,
            count,
        })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        if KIND == kind::REGR_COUNT {
            return results::<Int64Type>(types, states.iter().map(|state| Ok(Some(state.count))));
        }
        results::<Float64Type>(types, states.iter().map(Self::result))
    }
}
