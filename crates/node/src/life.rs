//! How groups begin, go on and end, across the boundary: the suite that all invitees offer, a member's own keys, the
//! keys of past epochs, and succession.

use coterie_mls::{Changes, Group, Succession, Suite, SuiteChoice, UpdateReason};
use coterie_types::GroupId;
use napi::Env;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::answer::{Answer, Cancelled, NativeCancellation, elsewhere};
use crate::arguments::{List, timestamp};
use crate::bytes::Uint8Array;
use crate::device::{NativeDevice, arrays};
use crate::failure::NativeFailure;
use crate::group::NativeGroup;
use crate::values::{NativeCommitted, NativeDescent, NativeSuccession};

/// What a new group is begun with.
#[napi(object, object_from_js = false)]
pub struct NativeSuiteChoice {
    /// The suite.
    pub suite: String,
    /// A key package of that suite for each invitee.
    pub key_packages: Vec<Uint8Array>,
}

impl From<SuiteChoice> for NativeSuiteChoice {
    fn from(choice: SuiteChoice) -> Self {
        Self { suite: choice.suite.name().to_owned(), key_packages: arrays(choice.key_packages) }
    }
}

#[napi]
impl NativeDevice {
    /// Chooses the best suite that all invitees offer.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeSuiteChoice | NativeFailure | Promise<NativeSuiteChoice | NativeFailure>"
    )]
    pub fn choose_suite<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Array<Array<Uint8Array>>")] offers: List<List<Uint8Array>>,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeSuiteChoice>> {
        let offers: Vec<Vec<Vec<u8>>> =
            offers.into_vec::<List<Uint8Array>>().into_iter().map(List::into_vec).collect();
        let device = self.device.clone();
        let work = move || Ok(device.choose_suite(&offers, timestamp(now))?);
        elsewhere(env, Cancelled::by(cancellation), work, NativeSuiteChoice::from)
    }
}

#[napi]
impl NativeGroup {
    /// Commits the name of the group that takes this one's place.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeCommitted | NativeFailure | Promise<NativeCommitted | NativeFailure>"
    )]
    pub fn name_successor<'env>(
        &self,
        env: &'env Env,
        id: Uint8Array,
        suite_name: String,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeCommitted>> {
        let named = || -> Result<Succession, NativeFailure> {
            Ok(Succession { group_id: GroupId::new(&id)?, suite: Suite::from_name(&suite_name)? })
        };
        let succession = match named() {
            Ok(succession) => succession,
            Err(failure) => return Ok(Either::A(Either::B(failure))),
        };
        let work = move |group: &mut Group| {
            let changes = Changes { succession: Some(&succession), ..Changes::default() };
            Ok(group.commit(changes, timestamp(now))?)
        };
        self.by_size(env, cancellation, work, NativeCommitted::from)
    }

    /// The group that succeeds this one.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeSuccession | null | NativeFailure | Promise<NativeSuccession | null | NativeFailure>"
    )]
    pub fn successor<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<NativeSuccession>>> {
        let work = |group: &mut Group| Ok(group.successor()?);
        self.quickly(env, true, cancellation, work, |successor| successor.map(NativeSuccession::from))
    }

    /// The group that this one descends from.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeDescent | null | NativeFailure | Promise<NativeDescent | null | NativeFailure>"
    )]
    pub fn descent<'env>(
        &self,
        env: &'env Env,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<NativeDescent>>> {
        let work = |group: &mut Group| Ok(group.descent()?);
        self.quickly(env, true, cancellation, work, |descent| descent.map(NativeDescent::from))
    }

    /// Begins the group that this one has named as its successor.
    #[napi(
        catch_unwind,
        ts_return_type = "NativeGroup | NativeFailure | Promise<NativeGroup | NativeFailure>"
    )]
    pub fn create_successor<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, NativeGroup>> {
        let work = move |group: &mut Group| Ok(group.create_successor(timestamp(now))?);
        self.by_size(env, cancellation, work, NativeGroup::new)
    }

    /// Why this member should replace its own keys.
    #[napi(
        catch_unwind,
        ts_return_type = "'joined' | 'ageing' | null | NativeFailure | Promise<'joined' | 'ageing' | null | NativeFailure>"
    )]
    pub fn wants_update<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, Option<String>>> {
        let work = move |group: &mut Group| Ok(group.wants_update(timestamp(now))?);
        self.quickly(env, true, cancellation, work, |reason| reason.map(name_of))
    }

    /// Forgets the keys of epochs that are over for too long.
    #[napi(catch_unwind, ts_return_type = "undefined | NativeFailure | Promise<undefined | NativeFailure>")]
    pub fn forget_past_epochs<'env>(
        &self,
        env: &'env Env,
        now: f64,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<Answer<'env, ()>> {
        let work = move |group: &mut Group| Ok(group.forget_past_epochs(timestamp(now))?);
        self.quickly(env, true, cancellation, work, |()| ())
    }
}

fn name_of(reason: UpdateReason) -> String {
    match reason {
        UpdateReason::Joined => "joined",
        UpdateReason::Ageing => "ageing",
    }
    .to_owned()
}
