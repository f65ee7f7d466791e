//! The views of `02_flight_views.sql` computed a second time: plain loops over the files, with
//! nothing of Weir in them, compared with what the server answers.

use std::collections::BTreeMap;

use super::csv::Table;
use super::data_file;
use crate::Result;
use crate::pg_client::PgClient;

/// What was compared.
pub(super) struct Checked {
    pub(super) views: usize,
    pub(super) rows: usize,
}

type Row = Vec<Option<String>>;

/// Compares each view, row by row, with its batch computation.
pub(super) fn check_views(client: &mut PgClient) -> Result<Checked> {
    let data = Data::read()?;
    let views: [(&str, Vec<Row>); 4] = [
        ("departures_by_hour", departures_by_hour(&data)?),
        ("delays_by_airline", delays_by_airline(&data)?),
        ("delays_by_wind", delays_by_wind(&data)?),
        ("routes", routes(&data)?),
    ];
    let mut checked = Checked { views: 0, rows: 0 };
    for (view, expected) in views {
        let found = client.query(&format!("SELECT * FROM {view}"))?.rows;
        compare(view, found, expected).map(|rows| checked.rows += rows)?;
        checked.views += 1;
    }
    Ok(checked)
}

/// Compares as multisets; gives the number of rows.
fn compare(view: &str, mut found: Vec<Row>, mut expected: Vec<Row>) -> Result<usize> {
    found.sort();
    expected.sort();
    if expected.is_empty() {
        return Err(format!("the batch computation of {view} gives no row"));
    }
    let differing = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    if let Some((found, expected)) = differing {
        return Err(format!("view {view} has {found:?}, the batch computation {expected:?}"));
    }
    if found.len() != expected.len() {
        return Err(format!(
            "view {view} has {} rows, the batch computation {}",
            found.len(),
            expected.len()
        ));
    }
    Ok(found.len())
}

struct Data {
    flights: Table,
    weather: Table,
    airlines: Table,
    airports: Table,
}

impl Data {
    fn read() -> Result<Self> {
        let read = |name| Table::read(&data_file(name));
        Ok(Self {
            flights: read("flights")?,
            weather: read("weather")?,
            airlines: read("airlines")?,
            airports: read("airports")?,
        })
    }
}

/// Flights of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Delays {
    flights: i64,
    departed: i64,
    minutes: i64,
    longest: Option<i64>,
}

impl Delays {
    fn add(&mut self, delay: Option<i64>) {
        self.flights += 1;
        if let Some(minutes) = delay {
            self.departed += 1;
            self.minutes += minutes;
            self.longest = self.longest.max(Some(minutes));
        }
    }

    /// SUM over nothing is NULL.
    fn sum(&self) -> Option<i64> {
        (self.departed > 0).then_some(self.minutes)
    }

    /// Flights, cancelled ones, minutes of delay on average, towards zero.
    fn summary(&self) -> [Option<String>; 3] {
        let mean = self.sum().map(|minutes| minutes / self.departed);
        [number(self.flights), number(self.flights - self.departed), mean.and_then(number)]
    }
}

fn number(value: i64) -> Option<String> {
    Some(value.to_string())
}

fn integer(text: Option<&str>) -> Result<Option<i64>> {
    text.map(|text| text.parse().map_err(|_| format!("{text} is not a number"))).transpose()
}

fn departures_by_hour(data: &Data) -> Result<Vec<Row>> {
    let mut groups: BTreeMap<_, Delays> = BTreeMap::new();
    for [origin, hour, delay] in data.flights.columns(["origin", "time_hour", "dep_delay"])? {
        groups.entry((origin, hour)).or_default().add(integer(delay)?);
    }
    let row = |((origin, hour), delays): ((Option<&str>, Option<&str>), Delays)| {
        vec![
            origin.map(str::to_owned),
            hour.map(postgres_time),
            number(delays.flights),
            number(delays.departed),
            delays.sum().and_then(number),
            delays.longest.and_then(number),
        ]
    };
    Ok(groups.into_iter().map(row).collect())
}

/// `2013-01-01T10:00:00Z` as PostgreSQL prints it in UTC.
fn postgres_time(text: &str) -> String {
    text.replace('T', " ").replace('Z', "+00")
}

fn delays_by_airline(data: &Data) -> Result<Vec<Row>> {
    let mut groups: BTreeMap<&str, Delays> = BTreeMap::new();
    let names: Vec<_> = data.airlines.columns(["carrier", "name"])?.collect();
    for [carrier, delay] in data.flights.columns(["carrier", "dep_delay"])? {
        for [code, name] in &names {
            if let (Some(name), true) = (name, carrier.is_some() && *code == carrier) {
                groups.entry(name).or_default().add(integer(delay)?);
            }
        }
    }
    let row = |(name, delays): (&str, Delays)| {
        std::iter::once(Some(name.to_owned())).chain(delays.summary()).collect()
    };
    Ok(groups.into_iter().map(row).collect())
}

fn delays_by_wind(data: &Data) -> Result<Vec<Row>> {
    let mut winds: BTreeMap<_, Vec<Option<f64>>> = BTreeMap::new();
    for [origin, hour, speed] in data.weather.columns(["origin", "time_hour", "wind_speed"])? {
        let speed = speed.map(|text| text.parse().map_err(|_| format!("{text} is not a number")));
        winds.entry((origin, hour)).or_default().push(speed.transpose()?);
    }
    let mut groups: BTreeMap<Option<i64>, Delays> = BTreeMap::new();
    for [origin, hour, delay] in data.flights.columns(["origin", "time_hour", "dep_delay"])? {
        for speed in winds.get(&(origin, hour)).into_iter().flatten() {
            let from = speed.map(|speed| (speed / 10.0).floor() as i64 * 10);
            groups.entry(from).or_default().add(integer(delay)?);
        }
    }
    let row = |(from, delays): (Option<i64>, Delays)| {
        std::iter::once(from.and_then(number)).chain(delays.summary()).collect()
    };
    Ok(groups.into_iter().map(row).collect())
}

fn routes(data: &Data) -> Result<Vec<Row>> {
    let mut airports: BTreeMap<_, Vec<Option<&str>>> = BTreeMap::new();
    for [code, name] in data.airports.columns(["faa", "name"])? {
        airports.entry(code).or_default().push(name);
    }
    let unknown = vec![None];
    let mut groups: BTreeMap<_, (i64, Option<i64>)> = BTreeMap::new();
    for [origin, dest, distance] in data.flights.columns(["origin", "dest", "distance"])? {
        for name in airports.get(&dest).unwrap_or(&unknown) {
            let (flights, miles) = groups.entry((origin, dest, *name)).or_default();
            *flights += 1;
            *miles = (*miles).max(integer(distance)?);
        }
    }
    let text = |value: Option<&str>| value.map(str::to_owned);
    let rows = groups.into_iter().map(|((origin, dest, name), (flights, miles))| {
        vec![text(origin), text(dest), text(name), number(flights), miles.and_then(number)]
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flight_is_in_each_view_that_keeps_all() {
        let data = Data::read().expect("the data set is whole");
        let total = |rows: &[Row], column: usize| -> i64 {
            rows.iter()
                .map(|row| {
                    row[column]
                        .as_deref()
                        .expect("the column has no NULL")
                        .parse::<i64>()
                        .expect("the text is of that form")
                })
                .sum()
        };
        let flights = data.flights.len() as i64;
        assert_eq!(flights, 27_004);
        assert_eq!(total(&departures_by_hour(&data).expect("the data set is whole"), 2), flights);
        assert_eq!(total(&delays_by_airline(&data).expect("the data set is whole"), 1), flights);
        assert_eq!(total(&routes(&data).expect("the data set is whole"), 3), flights);
        // 52 flights left in hours without a record of the weather.
        assert_eq!(total(&delays_by_wind(&data).expect("the data set is whole"), 1), flights - 52);
    }

    #[test]
    fn a_difference_is_named() {
        let row = |text: &str| vec![Some(text.to_owned())];
        assert_eq!(compare("v", vec![row("b"), row("a")], vec![row("a"), row("b")]), Ok(2));
        assert!(compare("v", vec![row("a")], vec![row("b")]).unwrap_err().contains("view v has"));
        assert!(compare("v", vec![row("a")], vec![row("a"), row("a")]).is_err());
        assert!(compare("v", vec![], vec![]).is_err());
    }

    #[test]
    fn sums_over_nothing_are_null() {
        let mut delays = Delays::default();
        delays.add(None);
        assert_eq!(delays.summary(), [number(1), number(1), None]);
        delays.add(Some(-5));
        delays.add(Some(2));
        assert_eq!(delays.summary(), [number(3), number(1), number(-1)]);
        assert_eq!(delays.longest, Some(2));
    }
}
