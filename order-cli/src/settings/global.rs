//! Options that every command has, and options of single commands that stand for a setting.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use crate::output::Format;
use crate::output::terminal::Color;

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The store with the orders: `sqlite:FILE` (or its path alone, such as ./orders.db),
    /// `sqlite::memory:` or `postgres://USER@HOST/DATABASE?schema=NAME` [env: ORDER_STORE]
    /// [default: sqlite:orders.db]
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
    /// A replica of the store's PostgreSQL, `postgres://USER@HOST/DATABASE`: `serve`, `list` and
    /// `watch` read lists and the feed from it [env: ORDER_REPLICA]
    #[arg(long, global = true, value_name = "URL")]
    pub replica: Option<String>,
    /// The file of the embedded shop, with its catalogue, stock, customers and payment desk [env:
    /// ORDER_SHOP] [default: shop.db]
    #[arg(long, global = true, value_name = "FILE")]
    pub shop: Option<String>,
    /// The form of results [env: ORDER_FORMAT] [default: table]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Colours in what is printed
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
    /// The file with settings [env: ORDER_CONFIG] [default: order.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say on standard error what is done: -v each order's steps, -vv each call, -vvv everything
    /// [env: ORDER_LOG=LEVEL]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Any setting by its name, as `order config` shows them, such as policy.lease=10s; repeatable
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub setting: Vec<String>,
}

impl Global {
    /// Returns the log level that `--verbose` stands for, as the setting has it.
    pub fn log(&self) -> Override {
        let level = match self.verbose {
            0 => None,
            1 => Some("info"),
            2 => Some("debug"),
            _ => Some("trace"),
        };
        Override::of("log", "--verbose", level.map(str::to_owned))
    }
}

/// An option of a command that stands for a setting, and counts for more than it does elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The setting, as in `server.log`.
    pub setting: &'static str,
    /// The option, as in `--log`.
    pub option: &'static str,
    /// The value; `None` if the option was not given.
    pub value: Option<String>,
}

impl Override {
    /// Makes one of a text.
    pub fn of(setting: &'static str, option: &'static str, value: Option<String>) -> Self {
        Override {
            setting,
            option,
            value,
        }
    }

    /// Makes one of the name of a file.
    pub fn of_path(setting: &'static str, option: &'static str, file: Option<&Path>) -> Self {
        Override::of(setting, option, file.map(|file| file.display().to_string()))
    }
}
