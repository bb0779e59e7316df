//! `order config`: every setting as it is in force.

use serde::Serialize;

use crate::exit::Outcome;
use crate::output::Out;
use crate::output::table::Table;
use crate::settings::Settings;
use crate::settings::layers::{Effective, variable_of};

#[derive(Debug, Serialize)]
struct SettingView<'a> {
    name: &'a str,
    value: &'a str,
    from: String,
    variable: String,
}

/// Prints each setting with its value, without passwords, and who gave it.
pub fn config(settings: &Settings, out: &Out) -> Outcome {
    let views: Vec<SettingView<'_>> = settings.effective.iter().map(view).collect();
    out.many(&views, &views, || {
        let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
        for view in &views {
            table.row([
                view.name.to_owned(),
                view.value.to_owned(),
                view.from.clone(),
            ]);
        }
        table.render()
    })
}

fn view(Effective { key, value, from }: &Effective) -> SettingView<'_> {
    SettingView {
        name: key,
        value,
        from: from.to_string(),
        variable: variable_of(key),
    }
}
