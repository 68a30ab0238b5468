//! Why a call was refused, in the words of gRPC.

use coterie_mls::MlsError;
use tonic::{Code, Status};

/// The calls that are answered with UNIMPLEMENTED, and why.
pub const UNIMPLEMENTED: &[(&str, &str)] = &[
    ("ReInitProposal", REINIT),
    ("ReInitCommit", REINIT),
    ("HandlePendingReInitCommit", REINIT),
    ("HandleReInitCommit", REINIT),
    ("ReInitWelcome", REINIT),
    ("HandleReInitWelcome", REINIT),
    ("a ReInit proposal by value", REINIT),
    ("CreateBranch", BRANCH),
    ("HandleBranch", BRANCH),
    ("a pre-shared key proposed by an external signer", EXTERNAL_PSK),
    ("a ReInit proposed by an external signer", REINIT),
];

const REINIT: &str = "openmls neither proposes nor commits a ReInit (RFC 9420 section 11.2)";
const BRANCH: &str = "openmls cannot begin a group with a branch's resumption secret (RFC 9420 section 11.3)";
const EXTERNAL_PSK: &str = "openmls accepts only Add, Remove and GroupContextExtensions of external senders";

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The engine cannot do it: one of the rows of [`UNIMPLEMENTED`].
    #[error("{0} is not implemented: {why}", why = why(.0))]
    Unimplemented(&'static str),
    /// The caller's handle stands for nothing, or for something else.
    #[error("no {what} has the handle {handle}")]
    UnknownHandle { what: &'static str, handle: u32 },
    /// The request does not say what it has to.
    #[error("{0}")]
    Invalid(&'static str),
    /// All handles have been given out.
    #[error("there are no handles left")]
    NoHandles,
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] MlsError),
}

fn why(call: &str) -> &'static str {
    UNIMPLEMENTED.iter().find(|(listed, _)| *listed == call).map_or("no reason is listed", |(_, why)| why)
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Unimplemented(_) | Refusal::Engine(MlsError::Unsupported(_)) => Code::Unimplemented,
            Refusal::NoHandles => Code::ResourceExhausted,
            Refusal::Engine(MlsError::Store(_) | MlsError::Entropy(_) | MlsError::Internal(_)) => {
                Code::Internal
            }
            Refusal::UnknownHandle { .. } | Refusal::Invalid(_) | Refusal::Engine(_) => Code::InvalidArgument,
        };
        Self::new(code, refusal.to_string())
    }
}
