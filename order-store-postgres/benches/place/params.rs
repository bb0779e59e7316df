//! Parameters in PostgreSQL's binary format, of types that are known by their numbers.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};

/// A UUID.
pub struct Id(pub [u8; 16]);

impl sqlx::Type<sqlx::Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2950))
    }
}

impl sqlx::Encode<'_, sqlx::Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}

/// An array with one dimension.
pub struct Array {
    array: Oid,
    element: Oid,
    len: i32,
    has_nulls: bool,
    elements: Vec<u8>,
}

impl Array {
    pub fn new(element: Oid, array: Oid) -> Self {
        Array {
            array,
            element,
            len: 0,
            has_nulls: false,
            elements: Vec::new(),
        }
    }

    pub fn push(&mut self, value: Option<&[u8]>) {
        let len = value.map_or(-1, |bytes| {
            i32::try_from(bytes.len()).expect("a value is short")
        });
        self.elements.extend_from_slice(&len.to_be_bytes());
        self.elements.extend_from_slice(value.unwrap_or_default());
        self.has_nulls |= value.is_none();
        self.len += 1;
    }
}

impl sqlx::Type<sqlx::Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1009))
    }
}

impl sqlx::Encode<'_, sqlx::Postgres> for Array {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&1i32.to_be_bytes());
        buffer.extend_from_slice(&i32::from(self.has_nulls).to_be_bytes());
        buffer.extend_from_slice(&self.element.0.to_be_bytes());
        buffer.extend_from_slice(&self.len.to_be_bytes());
        buffer.extend_from_slice(&1i32.to_be_bytes());
        buffer.extend_from_slice(&self.elements);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.array))
    }
}
