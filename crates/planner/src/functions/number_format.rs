//! `to_char` and `to_number` of numbers: `FM9,999.00`.

use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use weir_types::{Error, Result, SqlState, SqlType};

use super::arithmetic::numeric::{in_range, numeric_of, rescale};
use super::call::Call;
use super::datetime::template::ordinal_ending;
use super::number::invalid_parameter;
use super::overload::{Constant, Declaration, declare};

pub(crate) const DECLARATIONS: &[Declaration] = &[
    declare("to_char(int4, text) -> text", |call| {
        let numbers = call.numbers::<Int32Type>(0);
        each(call, |row| Number::Decimal(numbers.at(row).into(), 0))
    }),
    declare("to_char(int8, text) -> text", |call| {
        let numbers = call.numbers::<Int64Type>(0);
        each(call, |row| Number::Decimal(numbers.at(row).into(), 0))
    }),
    declare("to_char(numeric, text) -> text", |call| {
        let (numbers, scale) = (call.numbers::<Decimal128Type>(0), call.numeric(0).1);
        each(call, |row| Number::Decimal(numbers.at(row), scale))
    }),
    declare("to_char(float4, text) -> text", |call| {
        let numbers = call.numbers::<Float32Type>(0);
        each(call, |row| Number::Double(numbers.at(row).into()))
    }),
    declare("to_char(float8, text) -> text", |call| {
        let numbers = call.numbers::<Float64Type>(0);
        each(call, |row| Number::Double(numbers.at(row)))
    }),
    declare("to_number(text, text) -> numeric", to_number).returns(number_type),
];

#[derive(Clone, Copy)]
enum Number {
    /// An unscaled value and its digits behind the point.
    Decimal(i128, i8),
    Double(f64),
}

fn each(call: &Call<'_>, number: impl Fn(usize) -> Number) -> Result<ArrayRef> {
    let templates = call.texts(1);
    let mut parsed: Option<(&str, Template)> = None;
    call.each_text(|row, out| {
        let text = templates.at(row);
        if parsed.as_ref().is_none_or(|(before, _)| *before != text) {
            parsed = Some((text, Template::parse(text)?));
        }
        if let Some((_, template)) = &parsed {
            template.write(number(row), out)?;
        }
        Ok(())
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    /// A digit; true for `0`, which is shown in any case.
    Digit(bool),
    Point,
    Comma,
    Sign,
    Minus,
    Plus,
    AnySign,
    Brackets,
    Currency,
    Ordinal(bool),
    Char(char),
}

/// A template and what follows from it.
#[derive(Debug, Default)]
struct Template {
    nodes: Vec<Node>,
    is_bare: bool,
    /// Digits before and behind the point.
    n_whole: usize,
    n_fraction: usize,
    /// Powers of ten that `V` multiplies by.
    shift: i8,
    /// The whole number in Roman letters; true for upper case.
    roman: Option<bool>,
    is_scientific: bool,
}

const KEYS: &[(&str, Key)] = &[
    ("EEEE", Key::Scientific),
    ("FM", Key::Bare),
    ("MI", Key::Node(Node::Minus)),
    ("PL", Key::Node(Node::Plus)),
    ("PR", Key::Node(Node::Brackets)),
    ("RN", Key::Roman),
    ("SG", Key::Node(Node::AnySign)),
    ("TH", Key::Ordinal),
    ("9", Key::Node(Node::Digit(false))),
    ("0", Key::Node(Node::Digit(true))),
    (".", Key::Node(Node::Point)),
    ("D", Key::Node(Node::Point)),
    (",", Key::Node(Node::Comma)),
    ("G", Key::Node(Node::Comma)),
    ("L", Key::Node(Node::Currency)),
    ("S", Key::Node(Node::Sign)),
    ("V", Key::Shift),
];

#[derive(Clone, Copy)]
enum Key {
    Node(Node),
    Bare,
    Ordinal,
    Roman,
    Scientific,
    Shift,
}

impl Template {
    fn parse(text: &str) -> Result<Self> {
        let mut template = Self::default();
        let (mut rest, mut is_behind_point, mut is_shifted) = (text, false, false);
        'parts: while let Some(first) = rest.chars().next() {
            for (written, key) in KEYS {
                let Some(found) = rest.get(..written.len()) else { continue };
                if !found.eq_ignore_ascii_case(written) {
                    continue;
                }
                match key {
                    Key::Node(node) => {
                        match node {
                            Node::Digit(_) if is_shifted => template.shift += 1,
                            _ => {}
                        }
                        match node {
                            Node::Digit(_) if is_behind_point => template.n_fraction += 1,
                            Node::Digit(_) => template.n_whole += 1,
                            Node::Point if is_behind_point => {
                                return Err(Error::syntax("multiple decimal points"));
                            }
                            Node::Point => is_behind_point = true,
                            _ => {}
                        }
                        template.nodes.push(*node);
                    }
                    Key::Bare => template.is_bare = true,
                    Key::Ordinal => template.nodes.push(Node::Ordinal(found.starts_with('T'))),
                    Key::Roman => template.roman = Some(found.starts_with('R')),
                    Key::Scientific => template.is_scientific = true,
                    Key::Shift => is_shifted = true,
                }
                rest = &rest[written.len()..];
                continue 'parts;
            }
            rest = &rest[first.len_utf8()..];
            if first == '"' {
                for c in rest.chars().take_while(|c| *c != '"') {
                    template.nodes.push(Node::Char(c));
                }
                rest = rest.split_once('"').map_or("", |(_, after)| after);
            } else {
                template.nodes.push(Node::Char(first));
            }
        }
        Ok(template)
    }

    fn write(&self, number: Number, out: &mut String) -> Result<()> {
        if let Some(is_upper) = self.roman {
            return self.write_roman(number, is_upper, out);
        }
        if self.is_scientific {
            return self.write_scientific(number, out);
        }
        let (is_negative, digits) = self.digits(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let whole =
            if whole == "0" && (self.n_fraction > 0 || self.n_whole == 0) { "" } else { whole };
        let fits =
            whole.len() <= self.n_whole && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let mut writer = Writer {
            template: self,
            is_negative,
            // Where a number does not fit, every digit is a `#`.
            whole: if fits { whole.to_owned() } else { "#".repeat(self.n_whole) },
            fraction: if fits { fraction.to_owned() } else { "#".repeat(self.n_fraction) },
            is_overflow: !fits,
            has_begun: false,
            sign_is_due: self.has_floating_sign(),
            place: 0,
            behind: 0,
            out,
        };
        writer.write();
        Ok(())
    }

    /// True where the sign stands right before the first digit.
    fn has_floating_sign(&self) -> bool {
        !self
            .nodes
            .iter()
            .any(|node| matches!(node, Node::Minus | Node::AnySign | Node::Brackets | Node::Sign))
            || self.leading_sign()
    }

    fn leading_sign(&self) -> bool {
        let sign = self.nodes.iter().position(|node| *node == Node::Sign);
        let digit = self.nodes.iter().position(|node| matches!(node, Node::Digit(_)));
        sign.is_some() && sign < digit
    }

    /// Sign and digits of the number, rounded to what the template shows.
    fn digits(&self, number: Number) -> (bool, String) {
        let n_fraction = self.n_fraction;
        match number {
            Number::Double(value) => {
                let value = value * 10_f64.powi(self.shift.into());
                (value.is_sign_negative() && value != 0.0, format!("{:.n_fraction$}", value.abs()))
            }
            Number::Decimal(value, scale) => {
                let scale = scale - self.shift;
                let Some(rounded) = rescale(value, scale, n_fraction as i8) else {
                    return (value < 0, "?".to_owned());
                };
                let digits = rounded.unsigned_abs().to_string();
                let digits = format!("{digits:0>width$}", width = n_fraction + 1);
                let (whole, fraction) = digits.split_at(digits.len() - n_fraction);
                (value < 0 && rounded != 0, format!("{whole}.{fraction}"))
            }
        }
    }

    fn write_roman(&self, number: Number, is_upper: bool, out: &mut String) -> Result<()> {
        let value = match number {
            Number::Decimal(value, scale) => rescale(value, scale, 0).unwrap_or(0),
            Number::Double(value) => value.round_ties_even() as i128,
        };
        let roman = match u16::try_from(value) {
            Ok(value @ 1..=3999) => roman(value),
            _ => "#".repeat(15),
        };
        let roman = if is_upper { roman } else { roman.to_lowercase() };
        if self.is_bare {
            out.push_str(&roman);
        } else {
            out.push_str(&format!("{roman:>15}"));
        }
        Ok(())
    }

    fn write_scientific(&self, number: Number, out: &mut String) -> Result<()> {
        let value = match number {
            Number::Decimal(value, scale) => super::number::numeric_to_double(value, scale),
            Number::Double(value) => value,
        };
        let text = format!("{:.*e}", self.n_fraction, value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 =
            exponent.parse().map_err(|_| invalid_parameter("number has no exponent"))?;
        let sign = if value < 0.0 { "-" } else { " " };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{sign}{mantissa}e{exponent_sign}{:02}", exponent.abs()));
        Ok(())
    }
}

fn roman(value: u16) -> String {
    const STEPS: [(u16, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let (mut rest, mut out) = (value, String::new());
    for (step, letters) in STEPS {
        while rest >= step {
            out.push_str(letters);
            rest -= step;
        }
    }
    out
}

struct Writer<'a> {
    template: &'a Template,
    is_negative: bool,
    whole: String,
    fraction: String,
    is_overflow: bool,
    /// A digit was shown.
    has_begun: bool,
    sign_is_due: bool,
    /// Digits of the template passed before and behind the point.
    place: usize,
    behind: usize,
    out: &'a mut String,
}

impl Writer<'_> {
    fn write(&mut self) {
        let template = self.template;
        let mut is_behind_point = false;
        if self.brackets() {
            self.sign_is_due = true;
        }
        for node in &template.nodes {
            match node {
                Node::Digit(is_zero) if is_behind_point => self.fraction_digit(*is_zero),
                Node::Digit(_) => self.whole_digit(),
                Node::Point => {
                    is_behind_point = true;
                    self.point();
                }
                Node::Comma if self.has_begun => self.out.push(','),
                Node::Comma => self.blank(),
                Node::Sign if !template.leading_sign() => {
                    self.out.push(if self.is_negative { '-' } else { '+' });
                }
                Node::Sign => {}
                Node::Minus if self.is_negative => self.out.push('-'),
                Node::Plus if !self.is_negative => self.out.push('+'),
                Node::Minus | Node::Plus => self.blank(),
                Node::AnySign => self.out.push(if self.is_negative { '-' } else { '+' }),
                Node::Brackets => {
                    self.begin();
                    match self.is_negative {
                        true => self.out.push('>'),
                        false => self.blank(),
                    }
                }
                Node::Currency => self.out.push(' '),
                Node::Ordinal(is_upper) => {
                    if !self.is_negative && self.fraction.is_empty() {
                        let ending = ordinal_ending(&self.whole);
                        self.out.push_str(&if *is_upper {
                            ending.to_uppercase()
                        } else {
                            ending.to_owned()
                        });
                    }
                }
                Node::Char(c) => self.out.push(*c),
            }
        }
    }

    fn brackets(&self) -> bool {
        self.template.nodes.contains(&Node::Brackets)
    }

    fn blank(&mut self) {
        if !self.template.is_bare {
            self.out.push(' ');
        }
    }

    /// Before the first digit or the point.
    fn begin(&mut self) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        if !self.sign_is_due {
            return;
        }
        let (minus, plus) = match (self.brackets(), self.template.leading_sign()) {
            (true, _) => ('<', None),
            (false, true) => ('-', Some('+')),
            (false, false) => ('-', None),
        };
        match (self.is_negative, plus) {
            (true, _) => self.out.push(minus),
            (false, Some(plus)) => self.out.push(plus),
            (false, None) => self.blank(),
        }
    }

    fn whole_digit(&mut self) {
        let template = self.template;
        let n_blank = template.n_whole - self.whole.len();
        let place = self.place;
        self.place += 1;
        if place >= n_blank {
            self.begin();
            let digit = self.whole.as_bytes()[place - n_blank];
            self.out.push(char::from(digit));
        } else if self.zero_before(place) {
            self.begin();
            self.out.push('0');
        } else {
            self.blank();
        }
    }

    /// True if a `0` of the template stands at that place or before it.
    fn zero_before(&self, place: usize) -> bool {
        let digits = self.template.nodes.iter().filter_map(|node| match node {
            Node::Digit(is_zero) => Some(*is_zero),
            _ => None,
        });
        digits.take(place + 1).any(|is_zero| is_zero)
    }

    fn point(&mut self) {
        self.begin();
        self.out.push('.');
    }

    fn fraction_digit(&mut self, is_zero: bool) {
        let place = self.behind;
        self.behind += 1;
        let rest = &self.fraction[place.min(self.fraction.len())..];
        let is_relevant = self.is_overflow
            || rest.bytes().any(|digit| digit != b'0')
            || is_zero
            || self.later_zero(place);
        if !self.template.is_bare || is_relevant {
            self.out.push(rest.chars().next().unwrap_or('0'));
        }
    }

    /// True if a `0` of the template stands behind that place of the fraction.
    fn later_zero(&self, place: usize) -> bool {
        let fraction = self.template.nodes.iter().skip_while(|node| **node != Node::Point);
        let digits = fraction.filter_map(|node| match node {
            Node::Digit(is_zero) => Some(*is_zero),
            _ => None,
        });
        digits.skip(place + 1).any(|is_zero| is_zero)
    }
}

fn number_type(_: &[SqlType], constants: &[Option<Constant>]) -> SqlType {
    match constants.get(1) {
        Some(Some(Constant::Text(template))) => match Template::parse(template) {
            Ok(template) => {
                let digits = template.n_whole + template.n_fraction;
                numeric_of(digits.min(38) as i16, template.n_fraction.min(38) as i8)
            }
            Err(_) => SqlType::Numeric(None),
        },
        _ => SqlType::Numeric(None),
    }
}

/// Reads the digits, a point and a sign; passes over what else the template has.
fn to_number(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, templates) = (call.texts(0), call.texts(1));
    let to = super::arithmetic::numeric::result_scale(call);
    call.each::<Decimal128Type>(|row| {
        let template = Template::parse(templates.at(row))?;
        let text = texts.at(row);
        let is_negative = text.contains('-') || (text.contains('<') && text.contains('>'));
        let (mut digits, mut scale, mut is_behind_point) = (String::new(), 0_i16, false);
        for c in text.chars() {
            match c {
                '.' if is_behind_point => break,
                '.' => is_behind_point = true,
                c if c.is_ascii_digit() => {
                    if is_behind_point && scale as usize >= template.n_fraction {
                        break;
                    }
                    digits.push(c);
                    scale += i16::from(is_behind_point);
                }
                _ => {}
            }
        }
        let value: i128 = digits.parse().map_err(|_| {
            Error::new(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type numeric: \"{text}\""),
            )
        })?;
        let value = if is_negative { -value } else { value };
        in_range(rescale(value, (scale - i16::from(template.shift)) as i8, to))
    })
}
