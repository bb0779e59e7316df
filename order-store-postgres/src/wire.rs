//! Values in PostgreSQL's binary format: arrays that are sent, and rows that are read without a
//! type of their own for each column.

use std::error::Error as StdError;

use order_core::store::records::{Kind, Stored, Value};
use order_core::time::Timestamp;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgRow, PgTypeInfo};
use sqlx::{Postgres, Row as _, Type, ValueRef as _};

/// 2000-01-01, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// The name of a type in PostgreSQL: its number, and that of arrays of it. They are the same in
/// every database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    element: u32,
    array: u32,
}

pub(crate) const SMALLINT: Named = Named {
    element: 21,
    array: 1005,
};
pub(crate) const INTEGER: Named = Named {
    element: 23,
    array: 1007,
};
pub(crate) const BIGINT: Named = Named {
    element: 20,
    array: 1016,
};
pub(crate) const UUID: Named = Named {
    element: 2950,
    array: 2951,
};
pub(crate) const TEXT: Named = Named {
    element: 25,
    array: 1009,
};
pub(crate) const BOOLEAN: Named = Named {
    element: 16,
    array: 1000,
};
pub(crate) const TIMESTAMPTZ: Named = Named {
    element: 1184,
    array: 1185,
};

/// A time that PostgreSQL can hold: from 4714 BC on.
fn micros(time: Timestamp) -> i64 {
    time.as_micros().saturating_sub(EPOCH)
}

/// An array with one dimension, as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    of: Named,
    len: i32,
    has_nulls: bool,
    elements: Vec<u8>,
}

impl Array {
    pub(crate) fn new(of: Named) -> Self {
        Array {
            of,
            len: 0,
            has_nulls: false,
            elements: Vec::new(),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        // A text is far below 2 GiB; the server refuses a longer message anyway.
        self.elements
            .extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        self.elements.extend_from_slice(bytes);
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or_default()
    }

    pub(crate) fn null(&mut self) {
        self.elements.extend_from_slice(&(-1i32).to_be_bytes());
        self.has_nulls = true;
        self.len += 1;
    }

    pub(crate) fn id(&mut self, id: Option<&[u8; 16]>) {
        match id {
            Some(id) => self.push(id),
            None => self.null(),
        }
    }

    pub(crate) fn small(&mut self, n: u16) {
        self.push(&n.to_be_bytes());
    }

    pub(crate) fn integer(&mut self, n: usize) {
        // A group is far below 2³¹ of anything.
        self.push(&i32::try_from(n).unwrap_or(i32::MAX).to_be_bytes());
    }

    pub(crate) fn int(&mut self, n: Option<i64>) {
        match n {
            Some(n) => self.push(&n.to_be_bytes()),
            None => self.null(),
        }
    }

    pub(crate) fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push(text.as_bytes()),
            None => self.null(),
        }
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.push(&[u8::from(flag)]);
    }

    pub(crate) fn time(&mut self, time: Option<Timestamp>) {
        match time {
            Some(time) => self.push(&micros(time).to_be_bytes()),
            None => self.null(),
        }
    }
}

impl Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(BIGINT.array))
    }
}

impl Encode<'_, Postgres> for Array {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let dimensions = i32::from(self.len > 0);
        let element = self.of.element.cast_signed();
        for n in [dimensions, self.has_nulls.into(), element] {
            buffer.extend_from_slice(&n.to_be_bytes());
        }
        if self.len > 0 {
            buffer.extend_from_slice(&self.len.to_be_bytes());
            buffer.extend_from_slice(&1i32.to_be_bytes());
        }
        buffer.extend_from_slice(&self.elements);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.of.array)))
    }
}

/// A value of one of the kinds that records are made of, to be bound to a parameter.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    of: Named,
    bytes: Option<Vec<u8>>,
}

impl Bound {
    pub(crate) fn id(id: Option<&[u8; 16]>) -> Self {
        Bound {
            of: UUID,
            bytes: id.map(|id| id.to_vec()),
        }
    }

    pub(crate) fn time(time: Option<Timestamp>) -> Self {
        Bound {
            of: TIMESTAMPTZ,
            bytes: time.map(|time| micros(time).to_be_bytes().to_vec()),
        }
    }

    pub(crate) fn int(n: i64) -> Self {
        Bound {
            of: BIGINT,
            bytes: Some(n.to_be_bytes().to_vec()),
        }
    }

    pub(crate) fn int_some(n: Option<i64>) -> Self {
        Bound {
            of: BIGINT,
            bytes: n.map(|n| n.to_be_bytes().to_vec()),
        }
    }

    pub(crate) fn integer(n: i32) -> Self {
        Bound {
            of: INTEGER,
            bytes: Some(n.to_be_bytes().to_vec()),
        }
    }

    pub(crate) fn small(n: Option<u16>) -> Self {
        Bound {
            of: SMALLINT,
            bytes: n.map(|n| n.to_be_bytes().to_vec()),
        }
    }

    pub(crate) fn text(text: &str) -> Self {
        Bound {
            of: TEXT,
            bytes: Some(text.as_bytes().to_vec()),
        }
    }
}

impl Type<Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(TEXT.element))
    }
}

impl Encode<'_, Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.of.element)))
    }
}

/// The values of a row side by side, each in binary or NULL.
#[derive(Debug)]
pub(crate) struct Fields<'r>(Vec<Option<&'r [u8]>>);

type Failed = Box<dyn StdError + Send + Sync>;

impl<'r> Fields<'r> {
    /// Those of a row that was answered to a statement with parameters.
    pub(crate) fn of(row: &'r PgRow) -> Result<Self, Failed> {
        let field = |at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                Ok(None)
            } else {
                value.as_bytes().map(Some)
            }
        };
        (0..row.len())
            .map(field)
            .collect::<Result<_, Failed>>()
            .map(Fields)
    }

    fn bytes(&self, at: usize) -> Result<Option<&'r [u8]>, Failed> {
        self.0
            .get(at)
            .copied()
            .ok_or_else(|| format!("there is no column {at}").into())
    }

    /// The rows in the column `at`, which is an array of records or NULL.
    pub(crate) fn records(&self, at: usize) -> Result<Vec<Fields<'r>>, Failed> {
        let Some(bytes) = self.bytes(at)? else {
            return Ok(Vec::new());
        };
        elements(bytes)?
            .into_iter()
            .map(|record| Fields::of_record(record.ok_or("a record is NULL")?))
            .collect()
    }

    fn of_record(bytes: &'r [u8]) -> Result<Self, Failed> {
        let mut rest = Rest(bytes);
        let count = rest.int()?;
        let mut fields = Vec::with_capacity(usize::try_from(count)?);
        for _ in 0..count {
            let _type = rest.int()?;
            fields.push(rest.sized()?);
        }
        Ok(Fields(fields))
    }

    pub(crate) fn id(&self, at: usize) -> Result<Option<[u8; 16]>, Failed> {
        Ok(self.bytes(at)?.map(<[u8; 16]>::try_from).transpose()?)
    }

    pub(crate) fn int(&self, at: usize) -> Result<Option<i64>, Failed> {
        self.bytes(at)?.map(int).transpose()
    }

    pub(crate) fn flag(&self, at: usize) -> Result<Option<bool>, Failed> {
        self.bytes(at)?.map(flag).transpose()
    }

    pub(crate) fn text(&self, at: usize) -> Result<Option<&'r str>, Failed> {
        Ok(self.bytes(at)?.map(std::str::from_utf8).transpose()?)
    }

    pub(crate) fn time(&self, at: usize) -> Result<Option<Timestamp>, Failed> {
        self.bytes(at)?.map(time).transpose()
    }

    pub(crate) fn ids(&self, at: usize) -> Result<Vec<[u8; 16]>, Failed> {
        self.array(at, |bytes| Ok(bytes.try_into()?))
    }

    pub(crate) fn ints(&self, at: usize) -> Result<Vec<i64>, Failed> {
        self.array(at, int)
    }

    pub(crate) fn texts(&self, at: usize) -> Result<Vec<&'r str>, Failed> {
        self.array(at, |bytes| Ok(std::str::from_utf8(bytes)?))
    }

    pub(crate) fn flags(&self, at: usize) -> Result<Vec<bool>, Failed> {
        self.array(at, flag)
    }

    /// An array without NULLs; none is an empty one.
    fn array<T>(
        &self,
        at: usize,
        read: impl Fn(&'r [u8]) -> Result<T, Failed>,
    ) -> Result<Vec<T>, Failed> {
        let Some(bytes) = self.bytes(at)? else {
            return Ok(Vec::new());
        };
        elements(bytes)?
            .into_iter()
            .map(|element| read(element.ok_or("an element is NULL")?))
            .collect()
    }
}

impl Stored for Fields<'_> {
    fn value(&self, at: usize, kind: Kind) -> Result<Value<'_>, Failed> {
        let Some(bytes) = self.bytes(at)? else {
            return Ok(Value::Null);
        };
        Ok(match kind {
            Kind::Id => Value::Id(bytes.try_into()?),
            Kind::Int => Value::Int(int(bytes)?),
            Kind::Text => Value::Text(std::str::from_utf8(bytes)?.into()),
            Kind::Flag => Value::Flag(flag(bytes)?),
            Kind::Time => Value::Time(time(bytes)?),
        })
    }
}

fn int(bytes: &[u8]) -> Result<i64, Failed> {
    Ok(match bytes.len() {
        2 => i16::from_be_bytes(bytes.try_into()?).into(),
        4 => i32::from_be_bytes(bytes.try_into()?).into(),
        _ => i64::from_be_bytes(bytes.try_into()?),
    })
}

fn flag(bytes: &[u8]) -> Result<bool, Failed> {
    Ok(<[u8; 1]>::try_from(bytes)? != [0])
}

fn time(bytes: &[u8]) -> Result<Timestamp, Failed> {
    let micros = i64::from_be_bytes(bytes.try_into()?);
    micros
        .checked_add(EPOCH)
        .map(Timestamp::from_micros)
        .ok_or_else(|| "it is infinite".into())
}

/// The elements of an array with at most one dimension.
fn elements(bytes: &[u8]) -> Result<Vec<Option<&[u8]>>, Failed> {
    let mut rest = Rest(bytes);
    let (dimensions, _has_nulls, _type) = (rest.int()?, rest.int()?, rest.int()?);
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    let (count, _from) = (rest.int()?, rest.int()?);
    (0..count).map(|_| rest.sized()).collect()
}

/// The bytes that are left to read.
struct Rest<'r>(&'r [u8]);

impl<'r> Rest<'r> {
    fn int(&mut self) -> Result<i32, Failed> {
        let (head, rest) = self.0.split_first_chunk::<4>().ok_or("it is cut off")?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*head))
    }

    /// So many bytes as a number before them says; NULL where it is negative.
    fn sized(&mut self) -> Result<Option<&'r [u8]>, Failed> {
        let Ok(len) = usize::try_from(self.int()?) else {
            return Ok(None);
        };
        let (head, rest) = self.0.split_at_checked(len).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(Some(head))
    }
}
