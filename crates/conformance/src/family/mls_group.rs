//! Whole groups: the passive-client format, the MLS histories that extend it, and the recordings of another peer.

use std::sync::Arc;

use coterie_mls::interop::PrivateKeys;
use coterie_mls::{Device, DeviceOptions, Group, MlsError, Received, Suite};
use coterie_store::MemoryStore;
use coterie_testkit::{Seed, T0};
use serde_json::Value;

use crate::case::{File, Verdict, bytes, decode, field, list, number, optional, same, same_bytes};
use crate::report::Outcome;

/// Suites of a case that the engine does not speak are not failures of the engine.
const OTHER_SUITE: &str = "a cipher suite that is not offered";

/// Join, compare, and follow every epoch.
pub(crate) fn passive(file: &File) -> Outcome {
    file.each_of(|case| suite(case).is_ok(), OTHER_SUITE, follow)
}

fn suite(case: &Value) -> Result<Suite, String> {
    let code_point = u16::try_from(number(case, "cipher_suite")?).map_err(|error| error.to_string())?;
    Suite::from_code_point(code_point).map_err(|error| error.to_string())
}

fn device(suite: Suite) -> Result<Device, String> {
    let options = DeviceOptions { identity: b"passive".to_vec(), suite };
    let entropy = Seed::quiet(1).entropy(0);
    Device::create(options, Arc::new(MemoryStore::default()), Arc::new(entropy)).map_err(because("device"))
}

fn because(what: &str) -> impl FnOnce(MlsError) -> String {
    move |error| format!("{what}: {error}")
}

fn follow(case: &Value) -> Verdict {
    let device = device(suite(case)?)?;
    for psk in list(case, "external_psks") {
        device.store_psk(&bytes(psk, "psk_id")?, &bytes(psk, "psk")?).map_err(because("psk"))?;
    }
    let private = PrivateKeys {
        init: bytes(case, "init_priv")?,
        encryption: bytes(case, "encryption_priv")?,
        signature: signature_key(bytes(case, "signature_priv")?),
    };
    device.import_key_package(&bytes(case, "key_package")?, &private).map_err(because("key package"))?;
    let tree = optional(case, "ratchet_tree")?;
    let mut group = device.join(&bytes(case, "welcome")?, tree.as_deref(), T0).map_err(because("welcome"))?;
    compare(&mut group, case, "initial_epoch_authenticator")?;
    for (index, epoch) in list(case, "epochs").enumerate() {
        follow_epoch(&mut group, epoch).map_err(|why| format!("epoch {index} of the case: {why}"))?;
    }
    Ok(())
}

/// Some sources give Ed25519 keys in PKCS #8 (RFC 8410), where the seed comes last.
fn signature_key(bytes: Vec<u8>) -> Vec<u8> {
    const PKCS8_ED25519: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    bytes.strip_prefix(&PKCS8_ED25519).map(<[u8]>::to_vec).unwrap_or(bytes)
}

fn follow_epoch(group: &mut Group, epoch: &Value) -> Verdict {
    for message in list(epoch, "application") {
        application(group, message)?;
    }
    for export in list(epoch, "exporter") {
        exporter(group, export)?;
    }
    refuse(group, epoch, "refuse")?;
    for proposal in list(epoch, "proposals") {
        match group.receive(&decode(proposal)?, T0).map_err(because("proposal"))? {
            Received::Proposal { .. } | Received::OwnEcho => {}
            other => return Err(format!("proposal: taken for {other:?}")),
        }
    }
    refuse(group, epoch, "refuse")?;
    if field(epoch, "commit").is_some() {
        match group.receive(&bytes(epoch, "commit")?, T0).map_err(because("commit"))? {
            Received::Commit { .. } => {}
            other => return Err(format!("commit: taken for {other:?}")),
        }
    }
    compare(group, epoch, "epoch_authenticator")?;
    refuse(group, epoch, "refuse_after")
}

fn application(group: &mut Group, message: &Value) -> Verdict {
    let received = group.receive(&bytes(message, "message")?, T0).map_err(because("application message"))?;
    let Received::Message { plaintext, associated_data, .. } = received else {
        return Err(format!("application message: taken for {received:?}"));
    };
    same_bytes("plaintext", &plaintext, &bytes(message, "plaintext")?)?;
    match field(message, "authenticated_data") {
        Some(expected) => same_bytes("authenticated data", &associated_data, &decode(expected)?),
        None => Ok(()),
    }
}

/// A label is text; one that is given in hex would say so by another name.
fn exporter(group: &mut Group, export: &Value) -> Verdict {
    let label = field(export, "label").and_then(Value::as_str).ok_or("the exporter's label is missing")?;
    let length = usize::try_from(number(export, "length")?).map_err(|error| error.to_string())?;
    let secret = group.export_secret(label, &bytes(export, "context")?, length);
    same_bytes("exported secret", &secret.map_err(because("exporter"))?, &bytes(export, "secret")?)
}

/// Every message must fail and leave the group where it was.
fn refuse(group: &mut Group, epoch: &Value, name: &str) -> Verdict {
    for refused in list(epoch, name) {
        let why = field(refused, "why").and_then(Value::as_str).unwrap_or("no reason given");
        let message = field(refused, "message").unwrap_or(refused);
        let before = state(group)?;
        if let Ok(received) = group.receive(&decode(message)?, T0) {
            return Err(format!("{name}: accepted ({why}): {received:?}"));
        }
        same(&format!("the group after a refusal ({why})"), &state(group)?, &before)?;
    }
    Ok(())
}

fn state(group: &mut Group) -> Result<(u64, Vec<u8>, usize), String> {
    let authenticator = group.epoch_authenticator().map_err(because("after a refusal"))?;
    let waiting = group.pending_proposals().map_err(because("after a refusal"))?.len();
    Ok((group.epoch().number(), authenticator, waiting))
}

/// A member that the commit removed has no epoch to compare.
fn compare(group: &mut Group, case: &Value, name: &str) -> Verdict {
    match field(case, name) {
        Some(expected) if group.is_member() => {
            let got = group.epoch_authenticator().map_err(because(name))?;
            same_bytes(name, &got, &decode(expected)?)
        }
        _ => Ok(()),
    }
}

/// Recordings of the published GBP peer: what its exporter gave, epoch by epoch.
pub(crate) fn recorded(file: &File) -> Outcome {
    file.each(|case| {
        let device = device(Suite::X25519Aes128)?;
        let private = PrivateKeys {
            init: bytes(case, "init_private_key")?,
            encryption: bytes(case, "encryption_private_key")?,
            signature: bytes(case, "signature_private_key")?,
        };
        // It is recorded bare; a message says before it what it is: version 1, a key package.
        let package = [&[0, 1, 0, 5][..], &bytes(case, "key_package")?].concat();
        device.import_key_package(&package, &private).map_err(because("key package"))?;
        let mut group = device.join(&bytes(case, "welcome")?, None, T0).map_err(because("welcome"))?;
        same_bytes("group id", group.id().as_bytes(), &bytes(case, "group_id")?)?;
        recorded_epoch(&mut group, field(case, "initial").ok_or("initial is missing")?)?;
        for epoch in list(case, "epochs") {
            group.receive(&bytes(epoch, "commit")?, T0).map_err(because("commit"))?;
            recorded_epoch(&mut group, epoch)?;
        }
        Ok(())
    })
}

fn recorded_epoch(group: &mut Group, epoch: &Value) -> Verdict {
    same("epoch", &group.epoch().number(), &number(epoch, "epoch")?)?;
    compare(group, epoch, "epoch_authenticator")?;
    let members = group.members().map_err(because("members"))?;
    let expected: Vec<&Value> = list(epoch, "members").collect();
    same("number of members", &members.len(), &expected.len())?;
    for (member, expected) in members.iter().zip(expected) {
        same("leaf", &u64::from(member.leaf.number()), &number(expected, "leaf")?)?;
        same_bytes("identity", &member.identity, &bytes(expected, "identity")?)?;
        same_bytes("signature key", &member.signature_key, &bytes(expected, "signature_key")?)?;
    }
    Ok(())
}
