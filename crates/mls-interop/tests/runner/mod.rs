//! A runner in small: two servers on loopback ports, and actors that take turns between them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use std::future::Future;
use std::net::Ipv4Addr;

use coterie_mls_interop::proto::mls_client_client::MlsClientClient;
use coterie_mls_interop::proto::*;
use tokio::net::TcpListener;
use tonic::transport::Channel;

pub(crate) type Client = MlsClientClient<Channel>;

/// Calls one method and takes the answer out of its envelope.
macro_rules! call {
    ($client:expr, $call:ident, $request:expr) => {
        $client.$call($request).await.map(tonic::Response::into_inner)
    };
}
pub(crate) use call;

/// One member of the group: on which server, and under which handle.
pub(crate) struct Actor {
    pub(crate) client: Client,
    pub(crate) state: u32,
    pub(crate) identity: Vec<u8>,
}

/// Somebody about to join.
pub(crate) struct Joiner {
    pub(crate) client: Client,
    pub(crate) transaction: u32,
    pub(crate) identity: Vec<u8>,
    pub(crate) key_package: Vec<u8>,
}

/// One group and the servers that its members are spread over.
pub(crate) struct World {
    servers: [Client; 2],
    pub(crate) suite: u32,
    pub(crate) encrypt: bool,
    pub(crate) actors: Vec<Actor>,
    made: usize,
}

/// What a commit is asked to do.
#[derive(Clone, Default)]
pub(crate) struct Ask {
    pub(crate) by_reference: Vec<Vec<u8>>,
    pub(crate) by_value: Vec<ProposalDescription>,
    pub(crate) force_path: bool,
    pub(crate) external_tree: bool,
}

pub(crate) async fn server() -> Client {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(coterie_mls_interop::serve(listener));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().tcp_nodelay(true);
    Client::new(channel.connect().await.unwrap())
}

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Runs a script for every suite, with handshakes in the clear and encrypted.
pub(crate) fn every_configuration<F: Future<Output = ()>>(script: impl Fn(World) -> F) {
    block_on(async {
        let servers = [server().await, server().await];
        for suite in 1..=3 {
            for encrypt in [false, true] {
                println!("suite {suite}, encrypt_handshake {encrypt}");
                let (servers, actors) = (servers.clone(), Vec::new());
                script(World { servers, suite, encrypt, actors, made: 0 }).await;
            }
        }
    });
}

impl World {
    /// The next server in turn, and a name that nobody has.
    fn next(&mut self) -> (Client, Vec<u8>) {
        self.made += 1;
        (self.servers[self.made % 2].clone(), format!("actor-{}", self.made).into_bytes())
    }

    pub(crate) fn server(&self) -> Client {
        self.servers[0].clone()
    }

    /// A group of `size`, whose members are all added by the first.
    pub(crate) async fn group(&mut self, size: usize) {
        let (mut client, identity) = self.next();
        let request = CreateGroupRequest {
            group_id: b"group".to_vec(),
            cipher_suite: self.suite,
            encrypt_handshake: self.encrypt,
            identity: identity.clone(),
        };
        let state = call!(client, create_group, request).unwrap().state_id;
        self.actors.push(Actor { client, state, identity });
        let mut joiners = Vec::new();
        for _ in 1..size {
            joiners.push(self.joiner().await);
        }
        let by_value = joiners.iter().map(|joiner| add(&joiner.key_package)).collect();
        self.commit(0, Ask { by_value, ..Ask::default() }, joiners).await;
    }

    pub(crate) async fn joiner(&mut self) -> Joiner {
        let (mut client, identity) = self.next();
        let request = CreateKeyPackageRequest { cipher_suite: self.suite, identity: identity.clone() };
        let answer = call!(client, create_key_package, request).unwrap();
        let privates = [&answer.init_priv, &answer.encryption_priv, &answer.signature_priv];
        assert!(privates.iter().all(|private| private.len() == 32));
        Joiner { client, transaction: answer.transaction_id, identity, key_package: answer.key_package }
    }

    /// A whole commit: staged by one, handled by the others, merged, joined, and compared.
    pub(crate) async fn commit(
        &mut self,
        committer: usize,
        ask: Ask,
        joiners: Vec<Joiner>,
    ) -> CommitResponse {
        let request = CommitRequest {
            state_id: self.actors[committer].state,
            by_reference: ask.by_reference.clone(),
            by_value: ask.by_value,
            force_path: ask.force_path,
            external_tree: ask.external_tree,
        };
        let before = self.authenticators().await;
        let answer = call!(self.actors[committer].client, commit, request).unwrap();
        assert_eq!(answer.ratchet_tree.is_empty(), !ask.external_tree);
        assert_eq!(self.authenticators().await, before, "a commit only stages");
        self.deliver(Some(committer), &ask.by_reference, &answer.commit).await;
        for joiner in joiners {
            self.join(joiner, &answer).await;
        }
        self.agree().await;
        answer
    }

    /// Hands a commit to everybody; the committer, where it is one of them, merges its own.
    pub(crate) async fn deliver(&mut self, committer: Option<usize>, proposals: &[Vec<u8>], commit: &[u8]) {
        let mut removed = Vec::new();
        for (index, actor) in self.actors.iter_mut().enumerate() {
            let state_id = actor.state;
            let answer = if Some(index) == committer {
                call!(actor.client, handle_pending_commit, HandlePendingCommitRequest { state_id })
            } else {
                let (proposal, commit) = (proposals.to_vec(), commit.to_vec());
                call!(actor.client, handle_commit, HandleCommitRequest { state_id, proposal, commit })
            }
            .unwrap();
            actor.state = answer.state_id;
            if answer.epoch_authenticator.is_empty() {
                removed.push(index);
            }
        }
        for index in removed.into_iter().rev() {
            self.actors.remove(index);
        }
    }

    pub(crate) async fn join(&mut self, mut joiner: Joiner, answer: &CommitResponse) {
        let request = JoinGroupRequest {
            transaction_id: joiner.transaction,
            welcome: answer.welcome.clone(),
            encrypt_handshake: self.encrypt,
            identity: joiner.identity.clone(),
            ratchet_tree: answer.ratchet_tree.clone(),
        };
        let state = call!(joiner.client, join_group, request).unwrap().state_id;
        self.actors.push(Actor { client: joiner.client, state, identity: joiner.identity });
    }

    pub(crate) async fn join_externally(&mut self, ask: ExternalAsk, remove_prior: Option<usize>) {
        let info = self.group_info(ask.external_tree).await;
        let prior = remove_prior.map(|index| self.actors.remove(index));
        let (mut client, identity) = match prior {
            Some(prior) => (prior.client, prior.identity),
            None => self.next(),
        };
        let request = ExternalJoinRequest {
            group_info: info.group_info,
            ratchet_tree: info.ratchet_tree,
            encrypt_handshake: self.encrypt,
            identity: identity.clone(),
            remove_prior: remove_prior.is_some(),
            psks: ask.psks,
        };
        let answer = call!(client, external_join, request).unwrap();
        self.deliver(None, &[], &answer.commit).await;
        self.actors.push(Actor { client, state: answer.state_id, identity });
        assert_eq!(self.agree().await, answer.epoch_authenticator);
    }

    pub(crate) async fn group_info(&mut self, external_tree: bool) -> GroupInfoResponse {
        let actor = &mut self.actors[0];
        let info = call!(actor.client, group_info, GroupInfoRequest { state_id: actor.state, external_tree });
        let info = info.unwrap();
        assert_eq!(info.ratchet_tree.is_empty(), !external_tree);
        info
    }

    pub(crate) async fn psk(&mut self, id: &[u8]) {
        for actor in &mut self.actors {
            store_psk(&mut actor.client, actor.state, id).await;
        }
    }

    pub(crate) async fn authenticators(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for actor in &mut self.actors {
            let request = StateAuthRequest { state_id: actor.state };
            all.push(call!(actor.client, state_auth, request).unwrap().state_auth_secret);
        }
        all
    }

    /// Everybody is in the same epoch: by its authenticator, by an exported secret, and by a message from each.
    pub(crate) async fn agree(&mut self) -> Vec<u8> {
        let authenticators = self.authenticators().await;
        assert!(authenticators.iter().all(|other| *other == authenticators[0]));
        let mut secrets = Vec::new();
        for actor in &mut self.actors {
            let request = ExportRequest {
                state_id: actor.state,
                label: "a label".to_owned(),
                context: b"a context".to_vec(),
                key_length: 48,
            };
            secrets.push(call!(actor.client, export, request).unwrap().exported_secret);
        }
        assert!(secrets.iter().all(|other| *other == secrets[0] && other.len() == 48));
        for sender in 0..self.actors.len() {
            let sealed = self.protect(sender, b"hello").await;
            self.unprotect(sender, &sealed, b"hello").await;
        }
        authenticators[0].clone()
    }

    pub(crate) async fn protect(&mut self, sender: usize, plaintext: &[u8]) -> Vec<u8> {
        let actor = &mut self.actors[sender];
        let request = ProtectRequest {
            state_id: actor.state,
            authenticated_data: b"header".to_vec(),
            plaintext: plaintext.to_vec(),
        };
        call!(actor.client, protect, request).unwrap().ciphertext
    }

    /// Everybody but the sender opens `sealed`.
    pub(crate) async fn unprotect(&mut self, sender: usize, sealed: &[u8], expected: &[u8]) {
        for (index, actor) in self.actors.iter_mut().enumerate() {
            if index == sender {
                continue;
            }
            let request = UnprotectRequest { state_id: actor.state, ciphertext: sealed.to_vec() };
            let opened = call!(actor.client, unprotect, request).unwrap();
            assert_eq!(
                (opened.plaintext.as_slice(), &*opened.authenticated_data),
                (expected, &b"header"[..])
            );
        }
    }
}

/// How to join by an external commit.
#[derive(Default)]
pub(crate) struct ExternalAsk {
    pub(crate) external_tree: bool,
    pub(crate) psks: Vec<PreSharedKey>,
}

pub(crate) async fn store_psk(client: &mut Client, handle: u32, id: &[u8]) {
    let request =
        StorePskRequest { state_or_transaction_id: handle, psk_id: id.to_vec(), psk_secret: vec![7; 32] };
    call!(client, store_psk, request).unwrap();
}

pub(crate) fn describe(kind: &str) -> ProposalDescription {
    ProposalDescription { proposal_type: kind.as_bytes().to_vec(), ..ProposalDescription::default() }
}

pub(crate) fn add(key_package: &[u8]) -> ProposalDescription {
    ProposalDescription { key_package: key_package.to_vec(), ..describe("add") }
}

pub(crate) fn remove(identity: &[u8]) -> ProposalDescription {
    ProposalDescription { removed_id: identity.to_vec(), ..describe("remove") }
}

pub(crate) fn external_psk(id: &[u8]) -> ProposalDescription {
    ProposalDescription { psk_id: id.to_vec(), ..describe("externalPSK") }
}

pub(crate) fn resumption_psk(epoch_id: u64) -> ProposalDescription {
    ProposalDescription { epoch_id, ..describe("resumptionPSK") }
}

/// Extensions that every stack must be able to follow: required capabilities that demand nothing.
pub(crate) fn some_extensions() -> Vec<Extension> {
    vec![Extension { extension_type: 3, extension_data: vec![0, 0, 0] }]
}

pub(crate) fn set_extensions() -> ProposalDescription {
    ProposalDescription { extensions: some_extensions(), ..describe("groupContextExtensions") }
}
