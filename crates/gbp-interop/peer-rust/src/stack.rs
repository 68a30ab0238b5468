//! Contexts, nodes and their clients.

use anyhow::{anyhow, bail};
use gbp_stack::{
    ControlOpcode, Event, GbpFrame, GroupId, GroupNode, MlsContext, OutboundFrame, PayloadCodec,
    ProcessedKind, SignalType, StreamType,
};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{KeyPackage, KeyPackageBundle, KeyPackageIn, OpenMlsProvider as _, ProtocolVersion};
use serde_json::{Value, json};

use crate::objects::{Object, Objects};
use crate::values::{Arguments, bytes};

/// A context and the key package that was made with it.
pub struct Mls {
    pub context: MlsContext,
    key_package: KeyPackageBundle,
}

impl Mls {
    pub fn create(name: &str) -> anyhow::Result<Self> {
        let (context, key_package) = MlsContext::new_member(name.as_bytes())?;
        Ok(Self { context, key_package })
    }

    pub fn call(&mut self, name: &str, arguments: Arguments<'_>) -> anyhow::Result<Value> {
        Ok(match name {
            "group_id" => bytes(&self.context.group_id_16()),
            "epoch" => json!(self.context.epoch()),
            "export_key_package" => bytes(&self.key_package.key_package().tls_serialize_detached()?),
            "invite" => bytes(&self.context.invite(&self.key_packages(arguments)?)?),
            "invite_full" => {
                let (commit, welcome) = self.context.invite_full(&self.key_packages(arguments)?)?;
                json!([bytes(&commit), bytes(&welcome)])
            }
            "remove_member" => bytes(&self.context.remove_members(&[arguments.number(0)?])?),
            "process_message" => match self.context.process_message(&arguments.bytes(0)?)? {
                ProcessedKind::Commit => json!("commit"),
                other => json!(format!("{other:?}")),
            },
            "finalize_commit" => json!(self.context.finalize_pending_commit()?),
            "clear_pending_commit" => json!(self.context.clear_pending_commit()?),
            "accept_welcome" => json!(self.context.accept_welcome(&arguments.bytes(0)?)?),
            _ => bail!("a context has no {name}"),
        })
    }

    /// As many as there are arguments.
    fn key_packages(&self, arguments: Arguments<'_>) -> anyhow::Result<Vec<KeyPackage>> {
        let read = |bytes: &Vec<u8>| -> anyhow::Result<KeyPackage> {
            let package = KeyPackageIn::tls_deserialize_exact_bytes(bytes)?;
            let crypto = self.context.provider.crypto();
            package.validate(crypto, ProtocolVersion::Mls10).map_err(|error| anyhow!("{error:?}"))
        };
        arguments.all_bytes()?.iter().map(read).collect()
    }
}

/// What belongs to no object.
pub fn function(name: &str, arguments: Arguments<'_>) -> anyhow::Result<Value> {
    match name {
        "version" => Ok(json!("gbp-node, gbp-sframe, gbp-transport 1.9.2-rc2")),
        "encode_gbp_frame" => Ok(bytes(&encoded(arguments)?)),
        _ => bail!("there is no {name}"),
    }
}

fn encoded(arguments: Arguments<'_>) -> anyhow::Result<Vec<u8>> {
    let mut frame = GbpFrame::new(
        group(arguments, 1)?,
        arguments.number(2)?,
        arguments.number(3)?,
        StreamType::Control,
        arguments.number(5)?,
        arguments.number(6)?,
        arguments.number(7)?,
        arguments.bytes(8)?,
        0,
    );
    (frame.version, frame.stream_type) = (arguments.number(0)?, arguments.number(4)?);
    Ok(frame.to_cbor())
}

fn group(arguments: Arguments<'_>, index: usize) -> anyhow::Result<GroupId> {
    arguments.bytes(index)?.try_into().map_err(|_| anyhow!("a group id has 16 bytes"))
}

pub fn node(arguments: Arguments<'_>) -> anyhow::Result<GroupNode> {
    Ok(GroupNode::new(arguments.number(0)?, group(arguments, 1)?))
}

pub fn call_node(
    objects: &mut Objects,
    node: &mut GroupNode,
    name: &str,
    arguments: Arguments<'_>,
) -> anyhow::Result<Value> {
    Ok(match name {
        "bootstrap_as_joiner" => json!(node.bootstrap_as_joiner(arguments.number(0)?, arguments.number(1)?)),
        "apply_transition" => json!(node.apply_transition(arguments.number(0)?)),
        "drain_events" => told(&node.drain_events()),
        "check_timeouts" => told(&node.check_timeouts()),
        "on_wire" => {
            let mls = objects.mls(arguments.object(0)?)?;
            told(&node.on_wire(&mut mls.context, &arguments.bytes(1)?)?)
        }
        "send_control" => {
            let opcode = ControlOpcode::try_from(arguments.number::<u16>(2)?);
            let opcode = opcode.map_err(|_| anyhow!("an unknown opcode"))?;
            let mls = objects.mls(arguments.object(0)?)?;
            let (target, transition, request) =
                (arguments.number(1)?, arguments.number(3)?, arguments.number(4)?);
            let args = arguments.bytes(5)?;
            frame(&node.send_control(&mut mls.context, target, opcode, transition, request, args)?)
        }
        "claim_coordinator" => {
            let mls = objects.mls(arguments.object(0)?)?;
            frame(&node.claim_coordinator(&mut mls.context, arguments.number(1)?)?)
        }
        "epoch" => json!(node.current_epoch),
        "last_transition_id" => json!(node.last_transition_id),
        "pending_transition_id" => json!(node.pending_transition_id),
        "state" => json!(node.state as u8),
        "transition_state" => json!(format!("{:?}", node.transition_state)),
        "is_coordinator" => json!(node.is_coordinator),
        _ => bail!("a node has no {name}"),
    })
}

/// What one of the three clients sends: node, context and target first, its codec last.
pub fn send(
    objects: &mut Objects,
    client: &mut Object,
    name: &str,
    arguments: Arguments<'_>,
) -> anyhow::Result<Value> {
    if name != "send" {
        bail!("a client has no {name}");
    }
    let (node, mls) = objects.node_and_mls(arguments.object(0)?, arguments.object(1)?)?;
    let (context, target) = (&mut mls.context, arguments.number(2)?);
    let codec = |index| -> anyhow::Result<PayloadCodec> {
        PayloadCodec::from_u8(arguments.number(index)?).ok_or_else(|| anyhow!("an unknown codec"))
    };
    Ok(frame(&match client {
        Object::Text(client) => {
            client.send(node, context, target, arguments.number(3)?, arguments.text(4)?, codec(5)?)?
        }
        Object::Audio(client) => {
            let (source, at) = (arguments.number(3)?, arguments.number(4)?);
            client.send(node, context, target, source, at, arguments.bytes(5)?, codec(6)?)?
        }
        Object::Signals(client) => {
            let signal = SignalType::try_from(arguments.number::<u32>(3)?);
            let signal = signal.map_err(|_| anyhow!("an unknown signal"))?;
            let (role, request, args) = (arguments.number(4)?, arguments.number(5)?, arguments.bytes(6)?);
            client.send_with_args(node, context, target, signal, role, request, &args, codec(7)?)?
        }
        _ => bail!("not a client"),
    }))
}

fn frame(frame: &OutboundFrame) -> Value {
    json!({ "target": frame.to, "wire": bytes(&frame.wire) })
}

fn told(events: &[Event]) -> Value {
    events.iter().map(event).collect()
}

fn event(event: &Event) -> Value {
    match event {
        Event::StateChanged { from, to } => {
            json!({ "kind": "state_changed", "from": format!("{from}"), "to": format!("{to}") })
        }
        Event::PayloadReceived(payload) => json!({
            "kind": "payload_received",
            "stream_id": payload.stream_id,
            "sequence_no": payload.sequence_no,
            "codec": payload.codec.as_u8(),
            "plaintext": bytes(&payload.plaintext),
        }),
        Event::Control { from, opcode, transition_id, args, .. } => json!({
            "kind": "control",
            "from": from,
            "opcode_code": *opcode as u16,
            "transition_id": transition_id,
            "args": bytes(args),
        }),
        Event::Error { code, reason, .. } => json!({ "kind": "error", "code": code, "reason": reason }),
        Event::EpochAdvanced { epoch, transition_id } => {
            json!({ "kind": "epoch_advanced", "epoch": epoch, "transition_id": transition_id })
        }
        Event::CoordinatorElectionNeeded => json!({ "kind": "coordinator_election_needed" }),
        Event::BecameCoordinator => json!({ "kind": "became_coordinator" }),
        Event::CoordinatorClaim { claimant } => json!({ "kind": "coordinator_claim", "claimant": claimant }),
    }
}
