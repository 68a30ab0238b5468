//! Members on mls-rs over RustCrypto.

use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::psk::{ExternalPskId, PreSharedKey};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider, Group, MlsMessage};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;

use super::{Changes, Commit, Failure, Joiner, Member, Opened, PSKS, Proposal, Psk};

/// A client with a key package.
struct Newcomer<C: MlsConfig> {
    client: Client<C>,
    key_package: Vec<u8>,
}

pub(crate) fn newcomer(name: &str, suite: u16, encrypt: bool) -> Result<Box<dyn Joiner>, Failure> {
    let client = client(name, suite, encrypt)?;
    let package = client.generate_key_package_message(Default::default(), Default::default(), None)?;
    Ok(Box::new(Newcomer { client, key_package: package.to_bytes()? }))
}

pub(crate) fn found(name: &str, suite: u16, encrypt: bool) -> Result<Box<dyn Member>, Failure> {
    let group = client(name, suite, encrypt)?.create_group(Default::default(), Default::default(), None)?;
    Ok(Box::new(group))
}

fn client(name: &str, suite: u16, encrypt: bool) -> Result<Client<impl MlsConfig + use<>>, Failure> {
    let crypto = RustCryptoProvider::default();
    let suite = CipherSuite::from(suite);
    let provider = crypto.cipher_suite_provider(suite).ok_or("mls-rs does not speak the suite")?;
    let (secret, public) = provider.signature_key_generate().map_err(|error| format!("{error:?}"))?;
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let rules = DefaultMlsRules::new()
        .with_commit_options(CommitOptions::new().with_ratchet_tree_extension(true))
        .with_encryption_options(EncryptionOptions::new(encrypt, Default::default()));
    let builder = PSKS.into_iter().fold(Client::builder(), |builder, name| {
        builder.psk(ExternalPskId::new(name.to_vec()), PreSharedKey::new(name.to_vec()))
    });
    Ok(builder
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(crypto)
        .mls_rules(rules)
        .signing_identity(SigningIdentity::new(credential, public), secret, suite)
        .build())
}

impl<C: MlsConfig + 'static> Joiner for Newcomer<C> {
    fn key_package(&self) -> &[u8] {
        &self.key_package
    }

    fn join(self: Box<Self>, welcome: &[u8]) -> Result<Box<dyn Member>, Failure> {
        let (group, _) = self.client.join_group(None, &MlsMessage::from_bytes(welcome)?, None)?;
        Ok(Box::new(group))
    }

    fn join_externally(self: Box<Self>, group_info: &[u8]) -> Result<(Box<dyn Member>, Vec<u8>), Failure> {
        let (group, commit) = self.client.commit_external(MlsMessage::from_bytes(group_info)?)?;
        Ok((Box::new(group), commit.to_bytes()?))
    }
}

fn index_of<C: MlsConfig>(group: &Group<C>, name: &str) -> Result<u32, Failure> {
    Ok(group.member_with_identity(name.as_bytes())?.index)
}

fn psk_id(number: usize) -> ExternalPskId {
    ExternalPskId::new(PSKS[number].to_vec())
}

impl<C: MlsConfig + 'static> Member for Group<C> {
    fn commit(&mut self, changes: &Changes<'_>) -> Result<Commit, Failure> {
        let remove = changes.remove.iter().map(|name| index_of(self, name)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = self.commit_builder();
        for package in &changes.add {
            builder = builder.add_member(MlsMessage::from_bytes(package)?)?;
        }
        for index in remove {
            builder = builder.remove_member(index)?;
        }
        for key in &changes.psks {
            builder = match key {
                Psk::External(number) => builder.add_external_psk(psk_id(*number))?,
                Psk::Resumption(epoch) => builder.add_resumption_psk(*epoch)?,
            };
        }
        let output = builder.build()?;
        let welcome = output.welcome_messages().first().map(MlsMessage::to_bytes).transpose()?;
        Ok(Commit { message: output.commit_message().to_bytes()?, welcome })
    }

    fn merge(&mut self) -> Result<(), Failure> {
        self.apply_pending_commit()?;
        Ok(())
    }

    fn propose(&mut self, what: Proposal<'_>) -> Result<Vec<u8>, Failure> {
        let message = match what {
            Proposal::Add(key_package) => self.propose_add(MlsMessage::from_bytes(key_package)?, vec![])?,
            Proposal::Remove(name) => self.propose_remove(index_of(self, name)?, vec![])?,
            Proposal::Update => self.propose_update(vec![])?,
            Proposal::PreSharedKey(Psk::External(number)) => {
                self.propose_external_psk(psk_id(number), vec![])?
            }
            Proposal::PreSharedKey(Psk::Resumption(epoch)) => self.propose_resumption_psk(epoch, vec![])?,
        };
        Ok(message.to_bytes()?)
    }

    fn group_info(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.group_info_message_allowing_ext_commit(true)?.to_bytes()?)
    }

    fn seal(&mut self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(self.encrypt_application_message(plaintext, associated_data.to_vec())?.to_bytes()?)
    }

    fn receive(&mut self, message: &[u8]) -> Result<Option<Opened>, Failure> {
        Ok(match self.process_incoming_message(MlsMessage::from_bytes(message)?)? {
            ReceivedMessage::ApplicationMessage(message) => {
                let associated_data = message.authenticated_data.clone();
                Some(Opened { plaintext: message.data().to_vec(), associated_data })
            }
            _ => None,
        })
    }

    fn authenticator(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.epoch_authenticator()?.as_bytes().to_vec())
    }

    fn epoch(&self) -> u64 {
        self.current_epoch()
    }
}
