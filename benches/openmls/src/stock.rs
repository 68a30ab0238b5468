//! The same with openmls as it comes: its RustCrypto provider and its store in memory.

use anyhow::{Context, Result, ensure};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use crate::crowd;
use crate::options::Options;
use crate::samples::Samples;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

struct Client {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

fn client(name: &str) -> Result<Client> {
    let signer = SignatureKeyPair::new(SUITE.signature_algorithm())?;
    let credential = CredentialWithKey {
        credential: BasicCredential::new(name.as_bytes().to_vec()).into(),
        signature_key: signer.to_public_vec().into(),
    };
    Ok(Client { provider: OpenMlsRustCrypto::default(), signer, credential })
}

impl Client {
    fn key_package(&self) -> Result<Vec<u8>> {
        let bundle =
            KeyPackage::builder().build(SUITE, &self.provider, &self.signer, self.credential.clone())?;
        Ok(MlsMessageOut::from(bundle.key_package().clone()).tls_serialize_detached()?)
    }

    fn create(&self) -> Result<MlsGroup> {
        let ratchets = SenderRatchetConfiguration::new(1_000, 2_000);
        Ok(MlsGroup::builder()
            .ciphersuite(SUITE)
            .with_wire_format_policy(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(5)
            .number_of_resumption_psks(8)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(ratchets)
            .build(&self.provider, &self.signer, self.credential.clone())?)
    }

    fn add(&self, group: &mut MlsGroup, packages: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<u8>)> {
        let packages = packages.iter().map(|bytes| self.decode(bytes)).collect::<Result<Vec<_>>>()?;
        let (commit, welcome, _) = group
            .commit_builder()
            .propose_adds(packages)
            .load_psks(self.provider.storage())?
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)?
            .stage_commit(&self.provider)?
            .into_messages();
        group.merge_pending_commit(&self.provider)?;
        let welcome = welcome.context("a Welcome")?;
        Ok((commit.tls_serialize_detached()?, welcome.tls_serialize_detached()?))
    }

    fn decode(&self, bytes: &[u8]) -> Result<KeyPackage> {
        let message = MlsMessageIn::tls_deserialize(&mut &bytes[..])?;
        let MlsMessageBodyIn::KeyPackage(package) = message.extract() else {
            anyhow::bail!("no key package")
        };
        Ok(package.validate(self.provider.crypto(), ProtocolVersion::Mls10)?)
    }

    fn join(&self, welcome: &[u8]) -> Result<MlsGroup> {
        let MlsMessageBodyIn::Welcome(welcome) = MlsMessageIn::tls_deserialize(&mut &welcome[..])?.extract()
        else {
            anyhow::bail!("no Welcome")
        };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(5)
            .number_of_resumption_psks(8)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(SenderRatchetConfiguration::new(1_000, 2_000))
            .build();
        Ok(StagedWelcome::new_from_welcome(&self.provider, &config, welcome, None)?
            .into_group(&self.provider)?)
    }

    fn update(&self, group: &mut MlsGroup) -> Result<Vec<u8>> {
        let bundle = group.self_update(&self.provider, &self.signer, LeafNodeParameters::default())?;
        let commit = bundle.commit().tls_serialize_detached()?;
        group.merge_pending_commit(&self.provider)?;
        Ok(commit)
    }

    fn receive(&self, group: &mut MlsGroup, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let message = MlsMessageIn::tls_deserialize(&mut &message[..])?.try_into_protocol_message()?;
        match group.process_message(&self.provider, message)?.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => Ok(Some(message.into_bytes())),
            ProcessedMessageContent::StagedCommitMessage(commit) => {
                group.merge_staged_commit(&self.provider, *commit)?;
                Ok(None)
            }
            _ => anyhow::bail!("neither a message nor a commit"),
        }
    }

    fn encrypt(&self, group: &mut MlsGroup, plaintext: &[u8]) -> Result<Vec<u8>> {
        Ok(group.create_message(&self.provider, &self.signer, plaintext)?.tls_serialize_detached()?)
    }
}

pub fn group(options: Options, samples: &mut Samples) -> Result<()> {
    let founder = client("founder")?;
    let members =
        (1..options.size).map(|index| client(&format!("member-{index}"))).collect::<Result<Vec<_>>>()?;
    let mut kept = Vec::new();
    if options.singles > 0 {
        for _ in 0..10 {
            let each = options.singles / 10;
            samples
                .time("keyPackage", each, || (0..each).try_for_each(|_| founder.key_package().map(drop)))?;
        }
        for _ in 0..options.singles {
            kept.push(samples.time("groupOfOne", 1, || founder.create())?);
        }
    }
    for index in 0..options.groups {
        let (made, welcome) = match options.warm {
            false => {
                let packages = members.iter().map(Client::key_package).collect::<Result<Vec<_>>>()?;
                let (group, welcome) = samples.time("create", 1, || -> Result<_> {
                    let mut group = founder.create()?;
                    let (_, welcome) = founder.add(&mut group, &packages)?;
                    Ok((group, welcome))
                })?;
                (Some(group), welcome)
            }
            true => {
                let measured = members.iter().take(options.joins).chain([&founder]);
                let packages = measured.map(Client::key_package).collect::<Result<Vec<_>>>()?;
                (None, crowd::welcome(options.size, &packages)?)
            }
        };
        let mut joined = Vec::new();
        for member in members.iter().take(options.joins) {
            joined.push(samples.time("join", 1, || member.join(&welcome))?);
        }
        let reads = members.first().context("a member")?;
        let reader = joined.first_mut().context("a joiner")?;
        let mut group = match made {
            Some(group) => group,
            None => founder.join(&welcome)?,
        };
        if options.warm {
            reads.receive(reader, &founder.update(&mut group)?)?;
            founder.receive(&mut group, &reads.update(reader)?)?;
        }
        let updates = (0..options.updates)
            .map(|_| samples.time("update", 1, || founder.update(&mut group)))
            .collect::<Result<Vec<_>>>()?;
        for update in &updates {
            samples.time("processUpdate", 1, || reads.receive(reader, update))?;
        }
        let newcomers = (0..options.adds)
            .map(|added| client(&format!("newcomer-{index}-{added}"))?.key_package())
            .collect::<Result<Vec<_>>>()?;
        let adds = newcomers
            .chunks(1)
            .map(|newcomer| samples.time("add", 1, || founder.add(&mut group, newcomer)))
            .collect::<Result<Vec<_>>>()?;
        for (add, _) in &adds {
            samples.time("processAdd", 1, || reads.receive(reader, add))?;
        }
        let agreed = group.epoch_authenticator().as_slice() == reader.epoch_authenticator().as_slice();
        ensure!(agreed, "members disagree");
        if index == 0 {
            let plaintext = vec![7; options.length];
            for _ in 0..options.batches {
                let sealed = samples.time("encrypt", options.messages, || {
                    (0..options.messages)
                        .map(|_| founder.encrypt(&mut group, &plaintext))
                        .collect::<Result<Vec<_>>>()
                })?;
                let opened = samples.time("decrypt", options.messages, || {
                    sealed.iter().map(|message| reads.receive(reader, message)).collect::<Result<Vec<_>>>()
                })?;
                ensure!(opened.into_iter().all(|got| got.as_ref() == Some(&plaintext)), "another plaintext");
            }
        }
        kept.push(group);
        kept.extend(joined);
    }
    Ok(())
}
