//! The public keys that tokens are signed for: read from PEM or a JWKS (RFC 7517), used for RS256
//! and ES256 alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

/// The most keys that one source may have. A token without a key id is tried with each that fits.
const KEYS_MAX: usize = 32;
/// The lengths of RSA keys, in bits, that can be used.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// An algorithm that a key is used with (RFC 7518, 3.1). There are no others: neither `none` nor a
/// shared secret can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            _ => None,
        }
    }
}

/// A public key. It is of one algorithm, whatever a token says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    /// The modulus and the exponent, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point of P-256, not compressed (SEC 1, 2.3.3).
    P256(Vec<u8>),
}

impl Key {
    /// Tells whether a token that names this algorithm and this key may be signed for it.
    pub(crate) fn fits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let of = match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
        };
        let named = match (self.id.as_deref(), id) {
            (Some(own), Some(wanted)) => own == wanted,
            _ => true,
        };
        of == algorithm && named
    }

    /// Tells whether the signature of `message` is this key's.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }

    fn rsa(id: Option<String>, n: &[u8], e: &[u8]) -> Result<Self, String> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        let bits = n
            .first()
            .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(format!(
                "an RSA key of {bits} bits cannot be used: expected 2048 to 8192"
            ));
        }
        if e.is_empty() || e.len() > 4 || e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err("the exponent of an RSA key cannot be used: expected 65537".into());
        }
        Ok(Key {
            id,
            material: Material::Rsa {
                n: n.to_vec(),
                e: e.to_vec(),
            },
        })
    }

    fn p256(id: Option<String>, point: &[u8]) -> Result<Self, String> {
        if point.len() != 65 || point[0] != 4 {
            return Err(
                "an EC key cannot be used: expected a point of P-256 that is not compressed".into(),
            );
        }
        Ok(Key {
            id,
            material: Material::P256(point.to_vec()),
        })
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// The keys of a PEM file: one or several sections PUBLIC KEY (RFC 7468, 13). They have no ids.
pub(crate) fn from_pem(pem: &[u8]) -> Result<Vec<Key>, String> {
    const EXPECTED: &str = "expected PEM with sections PUBLIC KEY, of RSA or P-256";
    if pem.windows(11).any(|w| w == b"PRIVATE KEY") {
        return Err(format!(
            "holds a private key, which no server that checks tokens needs: {EXPECTED}"
        ));
    }
    let sections: Result<Vec<_>, _> = SubjectPublicKeyInfoDer::pem_slice_iter(pem).collect();
    let sections = sections
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| format!("holds no public key: {EXPECTED}"))?;
    bounded(
        sections
            .iter()
            .map(|der| from_spki(der))
            .collect::<Result<_, _>>()?,
    )
}

fn bounded(keys: Vec<Key>) -> Result<Vec<Key>, String> {
    if keys.len() > KEYS_MAX {
        return Err(format!(
            "holds {} keys: expected at most {KEYS_MAX}",
            keys.len()
        ));
    }
    Ok(keys)
}

/// Object identifiers, as DER writes their contents: rsaEncryption (RFC 8017, A.1), id-ecPublicKey
/// and secp256r1 (RFC 5480, 2.1.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Tags of DER.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// A key from a SubjectPublicKeyInfo (RFC 5280, 4.1).
fn from_spki(der: &[u8]) -> Result<Key, String> {
    let broken = || "a public key is not DER of a SubjectPublicKeyInfo".to_owned();
    let read = || {
        let mut outer = Der(der);
        let mut info = Der(outer.take(SEQUENCE)?);
        let mut algorithm = Der(info.take(SEQUENCE)?);
        let object = algorithm.take(OBJECT)?;
        let key = info.take(BIT_STRING)?.strip_prefix(&[0])?;
        Some((object, algorithm, key))
    };
    let (object, mut parameters, key) = read().ok_or_else(broken)?;
    match object {
        RSA => {
            let numbers = || {
                let mut outer = Der(key);
                let mut numbers = Der(outer.take(SEQUENCE)?);
                Some((numbers.take(INTEGER)?, numbers.take(INTEGER)?))
            };
            let (n, e) = numbers().ok_or_else(broken)?;
            Key::rsa(None, n, e)
        }
        EC if parameters.take(OBJECT) == Some(P256) => Key::p256(None, key),
        EC => Err("an EC key is not of P-256: ES256 needs that curve".into()),
        _ => Err("a public key is neither of RSA nor of P-256".into()),
    }
}

/// The rest of a DER encoding (X.690).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The contents of the next element, if it has that tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[first, length], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (
                    digits
                        .iter()
                        .fold(0, |n, digit| n << 8 | usize::from(*digit)),
                    rest,
                )
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        if first != tag {
            return None;
        }
        self.0 = rest;
        Some(contents)
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a JWKS that can be used: those for other things, other algorithms and shared secrets
/// are left out, as RFC 7517, 5 asks.
pub(crate) fn from_jwks(json: &[u8]) -> Result<Vec<Key>, String> {
    let set: Jwks = serde_json::from_slice(json)
        .map_err(|e| format!("is not a JWKS, an object with an array \"keys\": {e}"))?;
    let mut keys = Vec::new();
    let mut left_out = String::new();
    for (n, jwk) in set.keys.into_iter().enumerate() {
        let read: Result<Jwk, _> = serde_json::from_value(jwk);
        match read.map_err(|e| e.to_string()).and_then(from_jwk) {
            Ok(key) => keys.push(key),
            Err(why) => left_out.push_str(&format!("; keys[{n}]: {why}")),
        }
    }
    if keys.is_empty() {
        return Err(format!("holds no key for RS256 or ES256{left_out}"));
    }
    bounded(keys)
}

fn from_jwk(jwk: Jwk) -> Result<Key, String> {
    let Jwk {
        kty,
        kid,
        usage,
        key_ops,
        alg,
        crv,
        n,
        e,
        x,
        y,
    } = jwk;
    if usage.is_some_and(|usage| usage != "sig")
        || key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
    {
        return Err("is not for signatures".into());
    }
    let bytes = |name: &str, text: Option<String>| {
        let text = text.ok_or_else(|| format!("has no {name:?}"))?;
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| format!("{name:?} is not base64url"))
    };
    let wanted = match kty.as_str() {
        "RSA" => "RS256",
        "EC" if crv.as_deref() == Some("P-256") => "ES256",
        "EC" => return Err(format!("is of curve {}", crv.unwrap_or_default())),
        other => return Err(format!("is of type {other:?}")),
    };
    if let Some(other) = alg.filter(|alg| alg != wanted) {
        return Err(format!("is for {other:?}"));
    }
    if wanted == "RS256" {
        return Key::rsa(kid, &bytes("n", n)?, &bytes("e", e)?);
    }
    let (x, y) = (bytes("x", x)?, bytes("y", y)?);
    if x.len() != 32 || y.len() != 32 {
        return Err("\"x\" and \"y\" are not 32 bytes each".into());
    }
    Key::p256(kid, &[&[4][..], &x, &y].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The public key of RFC 7515, A.3, and that of RFC 7517, A.1.
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W\
                     -5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qN\
                     LyrdkT-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn jwks(keys: &str) -> Result<Vec<Key>, String> {
        from_jwks(format!(r#"{{"keys":[{keys}]}}"#).as_bytes())
    }

    #[test]
    fn a_set_s_usable_keys_are_taken_and_the_others_left_out() {
        let ec = format!(r#"{{"kty":"EC","crv":"P-256","kid":"1","x":"{X}","y":"{Y}"}}"#);
        let rsa =
            format!(r#"{{"kty":"RSA","alg":"RS256","use":"sig","kid":"2","n":"{N}","e":"AQAB"}}"#);
        let other = r#"{"kty":"oct","k":"c2VjcmV0"},{"kty":"OKP","crv":"Ed25519","x":"AA"},{"new":"kind"},{"kty":"EC","crv":"P-384"}"#;
        let keys = jwks(&format!("{other},{ec},{rsa}")).unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys[0].fits(Algorithm::Es256, Some("1")) && keys[0].fits(Algorithm::Es256, None));
        assert!(
            !keys[0].fits(Algorithm::Es256, Some("2"))
                && !keys[0].fits(Algorithm::Rs256, Some("1"))
        );
        assert!(
            keys[1].fits(Algorithm::Rs256, Some("2")) && !keys[1].fits(Algorithm::Es256, Some("2"))
        );
        assert!(
            jwks(&vec![ec; 33].join(","))
                .unwrap_err()
                .contains("at most 32")
        );
    }

    #[test]
    fn a_set_without_a_usable_key_says_why() {
        for (keys, why) in [
            (String::new(), "holds no key for RS256 or ES256"),
            (
                r#"{"kty":"oct","k":"c2VjcmV0"}"#.into(),
                "keys[0]: is of type \"oct\"",
            ),
            (
                format!(r#"{{"kty":"RSA","use":"enc","n":"{N}","e":"AQAB"}}"#),
                "is not for signatures",
            ),
            (
                format!(r#"{{"kty":"RSA","alg":"PS256","n":"{N}","e":"AQAB"}}"#),
                "is for \"PS256\"",
            ),
            (
                format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, &N[..172]),
                "of 1032 bits",
            ),
            (
                format!(r#"{{"kty":"RSA","n":"{N}","e":"AQ"}}"#),
                "the exponent",
            ),
            (format!(r#"{{"kty":"RSA","n":"{N}"}}"#), "has no \"e\""),
            (
                format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"AA"}}"#),
                "32 bytes each",
            ),
            (
                format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"!"}}"#),
                "\"y\" is not base64url",
            ),
        ] {
            let said = jwks(&keys).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert!(from_jwks(b"[]").unwrap_err().starts_with("is not a JWKS"));
    }

    #[test]
    fn a_signature_is_checked_with_the_key_and_nothing_else() {
        // RFC 7515, A.3: a token signed with ES256.
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = jwks(&format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"}}"#
        ))
        .unwrap()
        .remove(0);
        assert!(key.signed(token.as_bytes(), &signature));
        assert!(!key.signed(&token.as_bytes()[1..], &signature));
        signature[7] ^= 1;
        assert!(!key.signed(token.as_bytes(), &signature));
    }

    #[test]
    fn pem_with_anything_but_public_keys_is_refused() {
        for (pem, why) in [
            ("", "holds no public key"),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                "is not DER",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "holds a private key",
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
                "neither of RSA nor of P-256",
            ),
        ] {
            let said = from_pem(pem.as_bytes()).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
