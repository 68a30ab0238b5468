//! A small world of authorities and the devices they vouch for.

use std::sync::Arc;

use coterie_mls::certificate::TrustAnchors;
use coterie_mls::{Authentication, CertifiedOptions, Device, MlsError, Suite};
use coterie_store::MemoryStore;
use coterie_testkit::certificates::{Authority, Certified, authority_params, member_params};
use coterie_testkit::{Seed, T0};
use coterie_types::Timestamp;

/// 2035-01-02: the kit's certificates have expired.
pub(crate) const AFTER: Timestamp = Timestamp::from_secs(2_051_308_800);

pub(crate) struct World {
    pub(crate) seed: Seed,
    pub(crate) root: Authority,
    pub(crate) between: Authority,
}

impl World {
    pub(crate) fn new(number: u64) -> Self {
        let root = Authority::root("root");
        let between = root.below(authority_params("between"));
        Self { seed: Seed::new(number), root, between }
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::new(std::slice::from_ref(&self.root.der)).unwrap()
    }

    pub(crate) fn trust(&self) -> Authentication {
        Authentication::certificates(self.anchors())
    }

    pub(crate) fn options<'a>(&self, certified: &'a Certified, suite: Suite) -> CertifiedOptions<'a> {
        let certificates = vec![certified.der.clone(), self.between.der.clone()];
        CertifiedOptions { certificates, private_key: &certified.key, suite, identity: None }
    }

    pub(crate) fn make(&self, options: CertifiedOptions<'_>, stream: u64) -> Result<Device, MlsError> {
        let entropy = Arc::new(self.seed.entropy(stream));
        let store = Arc::new(MemoryStore::default());
        Device::create_certified(options, &self.anchors(), store, entropy, T0)
    }

    pub(crate) fn certified(&self, name: &str, suite: Suite, stream: u64) -> Device {
        let certified = self.between.certify(&member_params(name), suite == Suite::P256Aes128);
        self.make(self.options(&certified, suite), stream).unwrap().authenticating(self.trust())
    }
}

pub(crate) fn chain(world: &World, certified: &Certified) -> Vec<Vec<u8>> {
    vec![certified.der.clone(), world.between.der.clone()]
}
