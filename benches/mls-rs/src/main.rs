//! mls-rs over aws-lc, suite 1, its stores in memory and state written apart from messages.
//! `coterie-benches-mls-rs mls-rs JSON` prints JSON; see ../README.md.

#[path = "../../rust/src/options.rs"]
mod options;
#[path = "../../rust/src/samples.rs"]
mod samples;

use anyhow::{Context, Result, ensure};
use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, Group, MlsMessage};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use options::Options;
use samples::Samples;

const SUITE: CipherSuite = CipherSuite::CURVE25519_AES128;

fn client(name: &str) -> Result<Client<impl MlsConfig + use<>>> {
    let crypto = AwsLcCryptoProvider::default();
    let suite = crypto.cipher_suite_provider(SUITE).context("suite 1")?;
    let (secret, public) = suite.signature_key_generate()?;
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    Ok(Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(crypto)
        .signing_identity(SigningIdentity::new(credential, public), secret, SUITE)
        .build())
}

fn key_package<C: MlsConfig>(client: &Client<C>) -> Result<Vec<u8>> {
    Ok(client.generate_key_package_message(Default::default(), Default::default(), None)?.to_bytes()?)
}

fn add<C: MlsConfig>(group: &mut Group<C>, packages: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut builder = group.commit_builder();
    for package in packages {
        builder = builder.add_member(MlsMessage::from_bytes(package)?)?;
    }
    let output = builder.build()?;
    group.apply_pending_commit()?;
    let welcome = output.welcome_messages.first().context("a Welcome")?.to_bytes()?;
    Ok((output.commit_message.to_bytes()?, welcome))
}

fn receive<C: MlsConfig>(group: &mut Group<C>, message: &[u8]) -> Result<Option<Vec<u8>>> {
    match group.process_incoming_message(MlsMessage::from_bytes(message)?)? {
        ReceivedMessage::ApplicationMessage(message) => Ok(Some(message.data().to_vec())),
        _ => Ok(None),
    }
}

fn group(options: Options, samples: &mut Samples) -> Result<()> {
    let founder = client("founder")?;
    let members =
        (1..options.size).map(|index| client(&format!("member-{index}"))).collect::<Result<Vec<_>>>()?;
    let mut kept = Vec::new();
    for index in 0..options.groups {
        let packages = members.iter().map(key_package).collect::<Result<Vec<_>>>()?;
        let (mut group, welcome) = samples.time("create", 1, || -> Result<_> {
            let mut group = founder.create_group(Default::default(), Default::default(), None)?;
            let (_, welcome) = add(&mut group, &packages)?;
            Ok((group, welcome))
        })?;
        let mut joined = Vec::new();
        for member in members.iter().take(options.joins) {
            joined.push(samples.time("join", 1, || -> Result<_> {
                Ok(member.join_group(None, &MlsMessage::from_bytes(&welcome)?, None)?.0)
            })?);
        }
        let reader = joined.first_mut().context("a joiner")?;
        let updates = (0..options.updates)
            .map(|_| {
                samples.time("update", 1, || -> Result<_> {
                    let output = group.commit(vec![])?;
                    group.apply_pending_commit()?;
                    Ok(output.commit_message.to_bytes()?)
                })
            })
            .collect::<Result<Vec<_>>>()?;
        for update in &updates {
            samples.time("processUpdate", 1, || receive(reader, update))?;
        }
        let newcomers = (0..options.adds)
            .map(|added| key_package(&client(&format!("newcomer-{index}-{added}"))?))
            .collect::<Result<Vec<_>>>()?;
        let adds = newcomers
            .chunks(1)
            .map(|newcomer| samples.time("add", 1, || add(&mut group, newcomer)))
            .collect::<Result<Vec<_>>>()?;
        for (add, _) in &adds {
            samples.time("processAdd", 1, || receive(reader, add))?;
        }
        if index == 0 {
            exchange(options, samples, &mut group, reader)?;
        }
        kept.push(group);
        kept.extend(joined);
    }
    Ok(())
}

fn exchange<C: MlsConfig>(
    options: Options,
    samples: &mut Samples,
    sender: &mut Group<C>,
    reader: &mut Group<C>,
) -> Result<()> {
    let plaintext = vec![7; options.length];
    for _ in 0..options.batches {
        let sealed = samples.time("encrypt", options.messages, || {
            (0..options.messages)
                .map(|_| Ok(sender.encrypt_application_message(&plaintext, vec![])?.to_bytes()?))
                .collect::<Result<Vec<_>>>()
        })?;
        let opened = samples.time("decrypt", options.messages, || {
            sealed.iter().map(|message| receive(reader, message)).collect::<Result<Vec<_>>>()
        })?;
        ensure!(opened.into_iter().all(|got| got.as_ref() == Some(&plaintext)), "another plaintext came out");
    }
    Ok(())
}

fn main() -> Result<()> {
    let json = std::env::args().nth(2).context("what to do, as JSON")?;
    let options = Options::new(&serde_json::from_str(&json)?);
    group(options.warm_up(), &mut Samples::default())?;
    let mut samples = Samples::default();
    group(options, &mut samples)?;
    println!("{}", samples.into_json());
    Ok(())
}
