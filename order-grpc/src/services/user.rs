//! The platform's user service.

use async_trait::async_trait;
use order_core::ids::UserId;
use order_core::services::{CallDeadline, CallError, User, UserService};
use tonic::Code;

use super::cache::{CacheSettings, CacheStats, ReadCache};
use super::channel::ServiceChannel;
use super::outcome::{Failure, plain};
use super::product::ASK_AGAIN_AFTER;
use crate::proto::user as wire;
use crate::proto::user::user_service_client::UserServiceClient;

/// The platform's user service, by the contract in `proto/platform/user.proto`.
///
/// It tells an account's status as the service has it, which is up to half an hour late, and at
/// most [`CacheSettings::time_to_live`] later than that.
#[derive(Debug)]
pub struct PlatformUsers {
    channel: ServiceChannel,
    cache: ReadCache<UserId, User>,
}

impl PlatformUsers {
    /// The service at the end of `channel`.
    pub fn new(channel: ServiceChannel, cache: CacheSettings) -> Self {
        PlatformUsers {
            channel,
            cache: ReadCache::new(cache),
        }
    }

    /// Counts how often a user was known, and how often they had to be asked for.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

#[async_trait]
impl UserService for PlatformUsers {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        let channel = self.channel.clone();
        self.cache
            .read(id, async move { find(&channel, id).await })
            .await
    }
}

async fn find(channel: &ServiceChannel, id: UserId) -> Result<Option<User>, CallError> {
    let answer = match ask(channel, id).await {
        Err(failure) if failure.code() == Some(Code::NotFound) => {
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
            ask(channel, id).await
        }
        answer => answer,
    };
    match answer {
        Ok(answer) => {
            let unusable =
                |problem: String| CallError::malformed(plain(&format!("user {id}: {problem}")));
            user_of(id, answer).map(Some).map_err(unusable)
        }
        Err(failure) if failure.code() == Some(Code::NotFound) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

async fn ask(channel: &ServiceChannel, id: UserId) -> Result<wire::UserResponse, Failure> {
    let request = wire::GetUserRequest {
        user_id: id.to_string(),
    };
    channel
        .call(&CallDeadline::NEVER, |wire| async {
            UserServiceClient::new(wire).get_user(request).await
        })
        .await
}

fn user_of(asked: UserId, answer: wire::UserResponse) -> Result<User, String> {
    let Some(user) = answer.user else {
        return Err("the service answered nobody".to_owned());
    };
    let wire::User {
        user_id,
        email,
        account_status,
        username: _,
        first_name: _,
        last_name: _,
        phone_number: _,
        user_type: _,
        role: _,
        email_verified: _,
        phone_verified: _,
    } = user;
    if user_id.parse() != Ok(asked) {
        return Err(format!("the service answered user {user_id:?} instead"));
    }
    Ok(User {
        id: asked,
        email,
        account_status,
    })
}
