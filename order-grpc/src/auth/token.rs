//! JSON Web Tokens (RFC 7519), signed with RS256 or ES256: what they must say, and who their bearer
//! is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use order_core::ids::UserId;
use order_core::manager::Principal;
use order_core::text::check_customer_line;
use order_core::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Roles;
use super::keys::{Algorithm, Key};

/// The longest token, in bytes.
const TOKEN_MAX: usize = 8 * 1024;
/// The longest name of an operator or a service, in characters.
const NAME_MAX: usize = 100;

/// The claims that a token must have beside being signed.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) leeway: Duration,
    pub(crate) roles: Roles,
}

/// A reason not to believe a token, for the log. It holds nothing of the token but what names a key
/// or a time.
pub(crate) type Doubt = String;

/// A token that has been taken apart, and is not believed yet.
pub(crate) struct Token<'a> {
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// The extensions that must be understood (RFC 7515, 4.1.11), of which none is.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    sub: Option<String>,
    user_id: Option<String>,
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Audience::One(one) => one == wanted,
            Audience::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

impl<'a> Token<'a> {
    /// Takes apart the compact form (RFC 7515, 3.1).
    pub(crate) fn parse(text: &'a str) -> Result<Self, Doubt> {
        if text.len() > TOKEN_MAX {
            return Err(format!("the token is longer than {TOKEN_MAX} bytes"));
        }
        let parts = || {
            let (signed, signature) = text.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            (!claims.contains('.')).then_some((signed, header, claims, signature))
        };
        let (signed, header, claims, signature) = parts().ok_or("the token has not three parts")?;
        let header = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_| "the token's header is not base64url")?;
        let Header { alg, kid, crit } = serde_json::from_slice(&header)
            .map_err(|_| "the token's header is not JSON with an \"alg\"")?;
        let algorithm =
            Algorithm::of(&alg).ok_or("the token is signed with neither RS256 nor ES256")?;
        if crit.is_some() {
            return Err("the token's header asks for extensions (\"crit\")".into());
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| "the token's signature is not base64url")?;
        Ok(Token {
            signed,
            claims,
            signature,
            algorithm,
            key_id: kid,
        })
    }

    /// The keys that it may be signed for.
    pub(crate) fn fitting<'k>(&self, keys: &'k [Key]) -> impl Iterator<Item = &'k Key> {
        keys.iter()
            .filter(|key| key.fits(self.algorithm, self.key_id.as_deref()))
    }

    /// Reads who the bearer is.
    pub(crate) fn bearer(
        &self,
        keys: &[Key],
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Principal, Doubt> {
        if self.fitting(keys).next().is_none() {
            return Err("no key fits the token's algorithm and key id".into());
        }
        if !self
            .fitting(keys)
            .any(|key| key.signed(self.signed.as_bytes(), &self.signature))
        {
            return Err("the token's signature is wrong".into());
        }
        let claims = URL_SAFE_NO_PAD
            .decode(self.claims)
            .map_err(|_| "the token's claims are not base64url")?;
        // Anything that should be a text, or a number, and is not, is an error here, so that no
        // check is passed over.
        let claims: Claims = serde_json::from_slice(&claims)
            .map_err(|_| "the token's claims are not of the form expected")?;
        claims.hold(rules, now)?;
        claims.principal(&rules.roles)
    }
}

impl Claims {
    fn hold(&self, rules: &Rules, now: Timestamp) -> Result<(), Doubt> {
        let now = now.as_micros() as f64 / 1e6;
        let leeway = rules.leeway.as_secs_f64();
        let exp = self.exp.ok_or("the token has no \"exp\"")?;
        if now >= exp + leeway {
            return Err(format!("the token expired {:.0} s ago", now - exp));
        }
        if let Some(nbf) = self.nbf.filter(|nbf| now + leeway < *nbf) {
            return Err(format!(
                "the token is not valid yet, but in {:.0} s",
                nbf - now
            ));
        }
        if rules
            .issuer
            .as_ref()
            .is_some_and(|wanted| self.iss.as_ref() != Some(wanted))
        {
            return Err("the token is another issuer's".into());
        }
        if let Some(wanted) = &rules.audience
            && !self.aud.as_ref().is_some_and(|aud| aud.has(wanted))
        {
            return Err("the token is for another audience".into());
        }
        Ok(())
    }

    fn principal(&self, roles: &Roles) -> Result<Principal, Doubt> {
        let who = self.user_id.as_deref().or(self.sub.as_deref());
        let who = who.ok_or("the token has neither \"user_id\" nor \"sub\"")?;
        let role = self.role.as_deref();
        let is = |of: &[String]| role.is_some_and(|role| of.iter().any(|one| one == role));
        if role.is_none() || is(&roles.customer) {
            let user: UserId = who
                .parse()
                .map_err(|_| "a customer's token names no UUID of a user")?;
            return Ok(Principal::Customer(user));
        }
        let is_service = is(&roles.service);
        if !is_service && !is(&roles.operator) {
            return Err("the token's role is not one that is configured".into());
        }
        let name = name(who).ok_or(
            "the token's bearer has a name that is empty, too long, or not fit for the journal",
        )?;
        Ok(if is_service {
            Principal::Service(name)
        } else {
            Principal::Operator(name)
        })
    }
}

/// A name that may stand in the journal.
pub(crate) fn name(text: &str) -> Option<String> {
    (!text.trim().is_empty() && check_customer_line(text, NAME_MAX).is_ok())
        .then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::{Value, json};

    use super::*;

    const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";
    const NOW: i64 = 1_800_000_000;

    struct Signer {
        pair: EcdsaKeyPair,
        keys: Vec<Key>,
    }

    impl Signer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 =
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
                    .unwrap();
            let point = pair.public_key().as_ref();
            let of = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            let jwk = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": of(1..33), "y": of(33..65)}]});
            let keys = super::super::keys::from_jwks(jwk.to_string().as_bytes()).unwrap();
            Signer { pair, keys }
        }

        fn sign(&self, header: &Value, claims: &str) -> String {
            let signed = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(claims)
            );
            let signature = self
                .pair
                .sign(&SystemRandom::new(), signed.as_bytes())
                .unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn judge(&self, header: &Value, claims: &str) -> Result<Principal, Doubt> {
            let rules = Rules {
                issuer: Some("https://issuer.example".into()),
                audience: Some("orders".into()),
                leeway: Duration::from_secs(30),
                roles: Roles::default(),
            };
            let text = self.sign(header, claims);
            Token::parse(&text)?.bearer(&self.keys, &rules, Timestamp::from_micros(NOW * 1_000_000))
        }

        /// Claims that are right, but for `changed`.
        fn with(&self, changed: &Value) -> Result<Principal, Doubt> {
            let mut claims = json!({"iss": "https://issuer.example", "aud": "orders", "exp": NOW + 60, "sub": USER});
            for (name, value) in changed.as_object().unwrap() {
                claims[name] = value.clone();
            }
            self.judge(&json!({"alg": "ES256", "kid": "k"}), &claims.to_string())
        }
    }

    #[test]
    fn a_right_token_says_who_its_bearer_is() {
        let signer = Signer::new();
        let user = USER.parse().unwrap();
        for (changed, bearer) in [
            (json!({}), Principal::Customer(user)),
            (json!({"role": null}), Principal::Customer(user)),
            (
                json!({"role": "customer", "sub": "a", "user_id": USER.to_uppercase()}),
                Principal::Customer(user),
            ),
            (
                json!({"role": "operator", "sub": "erin"}),
                Principal::Operator("erin".into()),
            ),
            (
                json!({"role": "service", "user_id": "desk"}),
                Principal::Service("desk".into()),
            ),
            (
                json!({"aud": ["shop", "orders"], "nbf": NOW, "iat": NOW + 1000}),
                Principal::Customer(user),
            ),
            (
                json!({"exp": NOW - 29, "nbf": NOW + 30}),
                Principal::Customer(user),
            ),
            (json!({"exp": NOW as f64 + 0.5}), Principal::Customer(user)),
        ] {
            assert_eq!(signer.with(&changed), Ok(bearer), "{changed}");
        }
        let without_kid = json!({"alg": "ES256", "typ": "JWT"});
        let claims =
            json!({"iss": "https://issuer.example", "aud": "orders", "exp": NOW + 1, "sub": USER})
                .to_string();
        assert_eq!(
            signer.judge(&without_kid, &claims),
            Ok(Principal::Customer(user))
        );
    }

    #[test]
    fn a_token_that_says_too_little_or_something_else_is_doubted() {
        let signer = Signer::new();
        for (changed, doubt) in [
            (json!({"exp": null}), "has no \"exp\""),
            (json!({"exp": NOW - 30}), "expired 30 s ago"),
            (json!({"exp": (NOW + 60).to_string()}), "not of the form"),
            (json!({"nbf": NOW + 31}), "not valid yet"),
            (json!({"nbf": "soon"}), "not of the form"),
            (json!({"iss": "https://other.example"}), "another issuer"),
            (json!({"iss": null}), "another issuer"),
            (
                json!({"iss": ["https://issuer.example"]}),
                "not of the form",
            ),
            (json!({"aud": "shop"}), "another audience"),
            (json!({"aud": []}), "another audience"),
            (json!({"aud": null}), "another audience"),
            (json!({"sub": null}), "neither"),
            (json!({"sub": "erin"}), "no UUID"),
            (json!({"user_id": "erin"}), "no UUID"),
            (json!({"user_id": ""}), "no UUID"),
            (json!({"role": "admin"}), "not one that is configured"),
            (json!({"role": "Operator"}), "not one that is configured"),
            (json!({"role": ["operator"]}), "not of the form"),
            (
                json!({"role": "operator", "sub": " "}),
                "not fit for the journal",
            ),
            (
                json!({"role": "operator", "sub": "a\nb"}),
                "not fit for the journal",
            ),
            (
                json!({"role": "service", "sub": "x".repeat(101)}),
                "not fit for the journal",
            ),
        ] {
            let said = signer.with(&changed).unwrap_err();
            assert!(said.contains(doubt), "{changed}: {said}");
        }
        let twice = format!(
            r#"{{"iss":"https://issuer.example","aud":"orders","exp":{},"sub":"{USER}","sub":"{USER}"}}"#,
            NOW + 1
        );
        assert!(
            signer
                .judge(&json!({"alg": "ES256"}), &twice)
                .unwrap_err()
                .contains("not of the form")
        );
        assert!(signer.judge(&json!({"alg": "ES256"}), "[]").is_err());
    }

    #[test]
    fn a_token_of_another_kind_or_another_key_is_doubted() {
        let signer = Signer::new();
        let claims =
            json!({"iss": "https://issuer.example", "aud": "orders", "exp": NOW + 60, "sub": USER})
                .to_string();
        for (header, doubt) in [
            (json!({"alg": "none"}), "neither RS256 nor ES256"),
            (json!({"alg": "HS256"}), "neither RS256 nor ES256"),
            (json!({"alg": "es256"}), "neither RS256 nor ES256"),
            (json!({"alg": "RS256"}), "no key fits"),
            (json!({"alg": "ES256", "kid": "other"}), "no key fits"),
            (
                json!({"alg": "ES256", "crit": ["b64"], "b64": false}),
                "crit",
            ),
            (json!({"kid": "k"}), "not JSON with an \"alg\""),
        ] {
            let said = signer.judge(&header, &claims).unwrap_err();
            assert!(said.contains(doubt), "{header}: {said}");
        }
        assert!(Signer::new().keys != signer.keys);
        let other = Signer::new().sign(&json!({"alg": "ES256"}), &claims);
        let rules = Rules {
            issuer: None,
            audience: None,
            leeway: Duration::ZERO,
            roles: Roles::default(),
        };
        let now = Timestamp::from_micros(NOW * 1_000_000);
        let judged = |text: &str| {
            Token::parse(text).and_then(|token| token.bearer(&signer.keys, &rules, now))
        };
        assert_eq!(judged(&other), Err("the token's signature is wrong".into()));
        let good = signer.sign(&json!({"alg": "ES256"}), &claims);
        assert!(judged(&good).is_ok());
        let (signed, _) = good.rsplit_once('.').unwrap();
        for bad in [
            "",
            ".",
            "..",
            "...",
            "a.b",
            &format!("{signed}."),
            &format!("{good}="),
            &format!("{good}.x"),
            &"x".repeat(9000),
        ] {
            assert!(judged(bad).is_err(), "{bad}");
        }
    }
}
