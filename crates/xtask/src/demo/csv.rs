//! The data set's CSV files as the batch computation reads them: no quotes, `NA` for NULL.

use std::path::Path;

use crate::Result;

/// A file.
#[derive(Debug)]
pub(super) struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("could not read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let cut = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut lines = text.lines();
        let names = cut(lines.next().ok_or("the file is empty")?);
        let mut rows = Vec::new();
        for (index, line) in lines.enumerate() {
            let row = cut(line);
            if row.len() != names.len() || line.contains('"') {
                return Err(format!("line {} is not of the simple form", index + 2));
            }
            rows.push(row);
        }
        Ok(Self { names, rows })
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The values of these columns, a row after the other; `None` where it is `NA`.
    pub(super) fn columns<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<impl Iterator<Item = [Option<&str>; N]>> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self
                .names
                .iter()
                .position(|one| one == name)
                .ok_or_else(|| format!("there is no column {name}"))?;
        }
        Ok(self.rows.iter().map(move |row| {
            places.map(|place| Some(row[place].as_str()).filter(|text| *text != "NA"))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_na_is_null() {
        let table = Table::parse("a,b,c\n1,NA,3\n4,5,6\n").expect("the data set is whole");
        let rows: Vec<_> = table.columns(["c", "b"]).expect("the data set is whole").collect();
        assert_eq!(rows, [[Some("3"), None], [Some("6"), Some("5")]]);
        assert!(table.columns(["d"]).is_err());
        assert!(Table::parse("a,b\n1\n").is_err());
        assert!(Table::parse("a,b\n\"1,2\",3\n").is_err());
    }
}
