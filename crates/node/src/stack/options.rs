//! How a node begins, and what its application chooses, across the boundary.

use coterie_gsp::Authority;
use coterie_gtp::HistoryLimits;
use coterie_mls::Suite;
use coterie_stack::{CreateOptions, Settings};
use coterie_types::{GroupId, MemberId};
use coterie_wire::Profile;
use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

use crate::arguments::unsigned;
use crate::bytes::Uint8Array;
use crate::failure::NativeFailure;
use crate::gbp::profile;
use crate::gsp::{NativeAuthority, authority};
use crate::gtp::NativeHistoryLimits;

/// How a group begins.
#[napi(object, object_to_js = false)]
pub struct NativeNodeOptions {
    /// How its frames are protected.
    #[napi(ts_type = "'interop' | 'sealed'")]
    pub profile: String,
    /// The founder's number.
    pub member: u32,
    /// Its id.
    pub id: Uint8Array,
    /// Its suite.
    pub suite: Option<String>,
}

/// What is kept, and whose signals count; what suits the profile, where nothing is said.
#[napi(object, object_to_js = false)]
pub struct NativeNodeSettings {
    /// What is kept of messages; nothing for `false`.
    pub history: Option<Either<NativeHistoryLimits, bool>>,
    /// The largest attachment that is taken in; none for `false`.
    pub attachments: Option<Either<BigInt, bool>>,
    /// Whose signals count.
    pub authority: Option<NativeAuthority>,
    /// Whether the application says whom it admits.
    pub asks: Option<bool>,
}

/// The same, read.
pub(super) struct Settled {
    history: Option<Option<HistoryLimits>>,
    attachments: Option<Option<u64>>,
    authority: Option<Authority>,
    asks: bool,
}

impl NativeNodeOptions {
    pub(super) fn parse(self) -> Result<CreateOptions, NativeFailure> {
        let suite = self.suite.map(|name| Suite::from_name(&name)).transpose()?;
        let (profile, member) = (profile(&self.profile)?, MemberId::new(self.member));
        Ok(CreateOptions { profile, member, id: GroupId::new(&self.id)?, suite })
    }
}

impl Settled {
    pub(super) fn parse(given: NativeNodeSettings) -> Result<Self, NativeFailure> {
        let attachments = match given.attachments {
            None => None,
            Some(Either::A(most)) => Some(Some(unsigned(&most)?)),
            Some(Either::B(_)) => Some(None),
        };
        let history = given.history.map(|history| match history {
            Either::A(limits) => Some(HistoryLimits::from(limits)),
            Either::B(_) => None,
        });
        Ok(Self {
            history,
            attachments,
            authority: given.authority.as_ref().map(authority),
            asks: given.asks.unwrap_or_default(),
        })
    }

    pub(super) fn of(self, profile: Profile) -> Settings {
        let Settings { mut text, authority, .. } = Settings::of(profile);
        text.history = self.history.unwrap_or(text.history);
        text.attachments = self.attachments.unwrap_or(text.attachments);
        Settings { text, authority: self.authority.unwrap_or(authority), asks: self.asks }
    }
}
