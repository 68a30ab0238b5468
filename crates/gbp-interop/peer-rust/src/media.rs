//! Media sessions, their encryptors and decryptors. A refusal answers with the name of the published error.

use anyhow::{anyhow, bail};
use gbp_stack::{CipherSuite, SFrameDecryptor, SFrameEncryptor, SFrameError, SFrameSession};
use serde_json::{Value, json};

use crate::objects::Object;
use crate::stack::Mls;
use crate::values::{Arguments, bytes};

pub fn session(mls: &Mls, arguments: Arguments<'_>) -> anyhow::Result<SFrameSession> {
    let suite = CipherSuite::from_u8(arguments.number(2)?).ok_or_else(|| anyhow!("an unknown suite"))?;
    SFrameSession::from_mls(&mls.context, arguments.text(1)?, suite).map_err(refused)
}

pub fn make(session: &SFrameSession, name: &str, arguments: Arguments<'_>) -> anyhow::Result<Object> {
    match name {
        "create_encryptor" => Ok(Object::Encryptor(session.encryptor(arguments.number(0)?))),
        "create_decryptor" => Ok(Object::Decryptor(Box::new(session.decryptor()))),
        _ => bail!("a session has no {name}"),
    }
}

pub fn encryptor(
    encryptor: &mut SFrameEncryptor,
    name: &str,
    arguments: Arguments<'_>,
) -> anyhow::Result<Value> {
    match name {
        "encrypt" => {
            let payload = encryptor.encrypt(&arguments.bytes(0)?, &arguments.bytes(1)?);
            Ok(bytes(&payload.map_err(refused)?))
        }
        "kid" => Ok(json!(encryptor.kid())),
        "counter" => Ok(json!(encryptor.counter())),
        _ => bail!("an encryptor has no {name}"),
    }
}

pub fn decryptor(
    decryptor: &mut SFrameDecryptor,
    name: &str,
    arguments: Arguments<'_>,
) -> anyhow::Result<Value> {
    if name != "decrypt" {
        bail!("a decryptor has no {name}");
    }
    let opened = decryptor.decrypt(&arguments.bytes(0)?, &arguments.bytes(1)?);
    let (plaintext, leaf) = opened.map_err(refused)?;
    Ok(json!([bytes(&plaintext), leaf]))
}

fn refused(error: SFrameError) -> anyhow::Error {
    anyhow!("{error:?}")
}
