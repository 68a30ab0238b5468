//! A frame arrives.

use coterie_gbp::protection::Opened;
use coterie_gbp::{MlsFailure, OpenError};
use coterie_gsp::{Answer, Origin};
use coterie_gtp::{CaughtUp, Content, Progress};
use coterie_mls::MlsError;
use coterie_types::{Code, Epoch, ErrorCode, MemberId, StreamClass};
use coterie_wire::control::{Arguments, ControlMessage, Opcode};
use coterie_wire::{Codec, Envelope, ErrorNumber, Flags, Profile};

use crate::error::StackError;
use crate::event::{AudioTaken, Event, SignalGiven, Text};
use crate::protection::OpenFailure;
use crate::rows;
use crate::step::Step;

/// What a frame's header claims. Nothing of it is authentic.
pub(crate) struct Claimed {
    pub(crate) class: StreamClass,
    pub(crate) member: Option<MemberId>,
    epoch: Epoch,
}

/// What the header of a frame claims; none where it has none.
pub(crate) fn claimed(frame: &[u8]) -> Option<Claimed> {
    let header = Envelope::decode(frame).ok()?.into_frame().ok()?.header;
    let (class, epoch) = (header.class, header.epoch);
    Some(Claimed { class, member: header.stream.member(class), epoch })
}

impl Step<'_, '_, '_> {
    /// Takes in a frame that is no audio. Whatever is refused changes nothing and is told.
    pub(crate) fn take_in(&mut self, frame: &[u8]) -> Result<(), StackError> {
        let protection = self.core.protection.as_mut().ok_or(StackError::NotActive)?;
        let (opened, plaintext) = match protection.open(frame, self.now, self.together) {
            Ok(opened) => opened,
            Err(failure) => return self.refuse_frame(frame, failure),
        };
        self.core.touched = true;
        let sender = opened.member();
        match opened.class {
            StreamClass::Control => self.on_control(&opened, &plaintext, frame),
            StreamClass::Text => self.on_text(&opened, &plaintext),
            StreamClass::Signal => self.on_signal(&opened, &plaintext),
            StreamClass::Audio => Err(StackError::Internal("audio is taken in without a step")),
        }?;
        if let Some(sender) = sender.filter(|_| opened.epoch == self.core.node.epoch()) {
            self.core.node.note_presence(sender, self.now);
        }
        Ok(())
    }

    /// Takes in frames that are no audio, one after the other, up to the first that cannot be taken in: how many, and why not
    /// that one. What cannot be undone stays; where it can be, the step has failed with it.
    pub(crate) fn take_in_all<F: AsRef<[u8]>>(
        &mut self,
        frames: &[F],
    ) -> Result<(usize, Option<StackError>), StackError> {
        let mut count: usize = 0;
        for frame in frames {
            if count > 0 && self.core.protection.is_none() {
                // This member is out: what follows is refused by a call of its own.
                break;
            }
            let (made, touched) = (self.made(), std::mem::take(&mut self.core.touched));
            match self.take_in(frame.as_ref()).and_then(|()| self.follow_up()) {
                Ok(()) => self.core.touched |= touched,
                Err(error) if self.volatile => {
                    self.take_back(made);
                    return Ok((count, Some(error)));
                }
                Err(error) => {
                    self.core.touched |= touched;
                    return Err(error);
                }
            }
            count = count.saturating_add(1);
        }
        Ok((count, None))
    }

    /// A frame of another epoch may mean that somebody is behind; everything else is only told.
    fn refuse_frame(&mut self, frame: &[u8], failure: OpenFailure) -> Result<(), StackError> {
        let claimed = claimed(frame);
        let sender = claimed.as_ref().and_then(|claimed| claimed.member);
        match &failure {
            MlsFailure::Mls(MlsError::Store(error)) => return Err(error.clone().into()),
            MlsFailure::Refused(OpenError::Epoch(epoch)) => {
                let known = self.core.node.handle_foreign_epoch(sender.unwrap_or_default(), *epoch, self.now);
                if known.is_ok() {
                    self.carry_out()?;
                }
            }
            _ => {}
        }
        let (code, number) = (failure.code(), Some(failure.number()));
        // Leaves of epochs that ended may be others' by now.
        let present = claimed.is_some_and(|claimed| claimed.epoch == self.core.node.epoch());
        let offender = failure.offender().filter(|_| present).and_then(|leaf| self.core.roster.at(leaf));
        self.tell(Event::Refused { code, number, claimed: sender, offender });
        Ok(())
    }

    /// What was opened is refused. Whoever signed it cannot say that it was somebody else.
    fn refuse(&mut self, code: Code, number: Option<ErrorNumber>, opened: &Opened) {
        let claimed = opened.member();
        self.tell(Event::Refused {
            code,
            number,
            claimed,
            offender: claimed.filter(|_| opened.signer.is_some()),
        });
    }

    fn on_control(&mut self, opened: &Opened, plaintext: &[u8], frame: &[u8]) -> Result<(), StackError> {
        let message = match ControlMessage::decode(plaintext) {
            Ok(message) => message,
            Err(error) => {
                self.refuse(error.code(), Some(error.number()), opened);
                return Ok(());
            }
        };
        // Deployed peers may use other streams than the standard ones.
        let sender = opened.member().unwrap_or(message.sender);
        let ahead = opened.epoch != self.together.epoch();
        if let Err(refusal) = self.core.node.handle_control(sender, opened.epoch, &message, self.now) {
            self.refuse(refusal.code(), Some(refusal.number()), opened);
            return Ok(());
        }
        // Before what it leads to is carried out, which may end the epoch.
        self.keep(sender, &message, ahead, frame)?;
        self.carry_out()?;
        self.take_answer(sender, &message);
        self.tell(Event::Control {
            member: sender,
            opcode: message.opcode(),
            transition: message.transition,
            request: message.request,
            arguments: message.raw_arguments().to_vec(),
        });
        Ok(())
    }

    /// ACK and NACK may answer a signal of this member.
    fn take_answer(&mut self, sender: MemberId, message: &ControlMessage) {
        let (request, refused) = match message.arguments() {
            Ok(Arguments::Ack(request)) if message.opcode() == Opcode::Ack => (request, None),
            Ok(Arguments::Nack(request, error)) => (request, Some(error)),
            _ => return,
        };
        if let Some(finished) = self.core.signals.handle_answer(sender, request, refused) {
            self.signals_changed = true;
            self.tell(Event::SignalEnded(finished));
        }
    }

    fn on_text(&mut self, opened: &Opened, plaintext: &[u8]) -> Result<(), StackError> {
        if self.is_silenced(opened) {
            self.refuse(Code::GSP_UNAUTHORIZED, Some(ErrorNumber::GSP_UNAUTHORIZED), opened);
            return Ok(());
        }
        let incoming = coterie_gtp::Incoming {
            payload: plaintext,
            format: opened.format,
            origin: origin(opened),
            epoch: opened.epoch,
            now: self.now,
        };
        let received = match self.core.text.receive(&incoming) {
            Ok(received) => received,
            Err(error) => {
                self.refuse(error.code(), error.number(), opened);
                return Ok(());
            }
        };
        self.write_text(received.changes)?;
        let message = received.message;
        let (member, number) = (message.sender, message.id.number());
        let conflicting = received.verdict == coterie_gtp::Verdict::Conflicting;
        if conflicting || received.verdict == coterie_gtp::Verdict::Duplicate {
            self.tell(Event::Duplicate { class: StreamClass::Text, member, number, conflicting });
            return Ok(());
        }
        match received.content {
            Content::Message => {
                let codec = opened.format.codec().unwrap_or_default();
                let text = Text { message, epoch: opened.epoch, codec, relayed_by: None };
                self.tell(Event::Text(text));
                Ok(())
            }
            Content::Attachment(progress) => self.on_piece(progress),
            Content::Asked(asked) => self.answer_missing(&asked),
            Content::CaughtUp(caught_up) => self.on_caught_up(caught_up, opened),
        }
    }

    /// A piece goes to the store at once, so that none is held in memory but those that wait for their manifest.
    fn on_piece(&mut self, progress: Progress) -> Result<(), StackError> {
        let Progress { key, piece, fresh, received, total, .. } = progress;
        while let Some(taken) = self.core.text.take_any_out(Some(key.0)) {
            self.put(rows::PIECE, &piece_key(taken.key, taken.index), taken.data)?;
        }
        if piece.is_some() && received == 0 {
            return Ok(());
        }
        if fresh && received == total {
            self.tell(Event::Attachment(key));
        } else {
            self.tell(Event::AttachmentProgress { attachment: key, received, total });
        }
        Ok(())
    }

    fn on_caught_up(&mut self, caught_up: CaughtUp, opened: &Opened) -> Result<(), StackError> {
        let CaughtUp { from, messages, more } = caught_up;
        for replayed in messages {
            let fresh =
                matches!(replayed.verdict, coterie_gtp::Verdict::New | coterie_gtp::Verdict::Corrected);
            if fresh {
                let relayed_by = (replayed.message.sender != from).then_some(from);
                let codec = Codec::Cbor;
                let (message, epoch) = (replayed.message, opened.epoch);
                self.tell(Event::Text(Text { message, epoch, codec, relayed_by }));
            }
        }
        self.tell(Event::CaughtUp { member: from, more });
        if more { self.ask_on(from) } else { Ok(()) }
    }

    fn on_signal(&mut self, opened: &Opened, plaintext: &[u8]) -> Result<(), StackError> {
        let incoming = coterie_gsp::Incoming {
            payload: plaintext,
            format: opened.format,
            origin: origin(opened),
            epoch: opened.epoch,
        };
        let received = match self.core.signals.receive(&incoming) {
            Ok(received) => received,
            Err(refused) => {
                self.refuse(refused.code(), refused.cause.number(), opened);
                return self.answer_signal(Answer::refused(&refused));
            }
        };
        self.signals_changed = true;
        let coterie_gsp::Received { message, arguments, verdict, changed } = received;
        let (member, request) = (message.sender, message.request);
        let conflicting = verdict == coterie_gsp::Verdict::Conflicting;
        if conflicting || verdict == coterie_gsp::Verdict::Duplicate {
            let number = request.number().into();
            self.tell(Event::Duplicate { class: StreamClass::Signal, member, number, conflicting });
            return if conflicting {
                Ok(())
            } else {
                self.answer_signal(Some(Answer::carried_out(member, request)))
            };
        }
        let codec = opened.format.codec().unwrap_or_default();
        self.tell(Event::Signal(SignalGiven { message, arguments, changed, codec }));
        self.core.follow_mutes();
        self.answer_signal(Some(Answer::carried_out(member, request)))
    }

    /// Answers a signal, where members answer at all.
    fn answer_signal(&mut self, answer: Option<Answer>) -> Result<(), StackError> {
        let members = self.core.roster.members().collect();
        let agreed = self.core.own.profile == Profile::Sealed
            || self.core.signals.capabilities().all_support(&members, coterie_gsp::ANSWERS);
        let Some(answer) = answer.filter(|answer| agreed && answer.request.number() != 0) else {
            return Ok(());
        };
        if !self.core.node.takes_part() {
            return Ok(());
        }
        let transition = self.core.node.last_transition();
        let me = self.core.own.me;
        let message = ControlMessage::new(me, answer.request, transition, &answer.arguments());
        let message = message.map_err(StackError::Malformed)?;
        self.send_control(answer.to, &message).map(drop)
    }

    /// Whether the sender may not send on this class of streams.
    fn is_silenced(&self, opened: &Opened) -> bool {
        opened.member().is_some_and(|sender| !self.core.signals.may_send(sender, opened.class))
    }
}

impl crate::core::Core {
    /// Whoever is muted is not played.
    pub(crate) fn follow_mutes(&mut self) {
        let playout = self.audio.playout_mut();
        for member in self.roster.members() {
            // Fewer members than can be muted.
            let _ = playout.set_muted(member, self.signals.view().is_muted(member));
        }
    }

    /// Takes in a frame of audio, which is no step: nothing of it is stored.
    pub(crate) fn take_in_audio(
        &mut self,
        frame: &[u8],
        now: coterie_types::Timestamp,
    ) -> Result<Event, StackError> {
        let protection = self.protection.as_mut().ok_or(StackError::NotActive)?;
        let refused = |code, number, claimed| Event::Refused { code, number, claimed, offender: None };
        let (opened, plaintext) = match protection.open_audio(frame, now) {
            Ok(opened) => opened,
            Err(error) => {
                let member = claimed(frame).and_then(|claimed| claimed.member);
                return Ok(refused(error.code(), Some(error.number()), member));
            }
        };
        let Some(member) = opened.member() else {
            return Ok(refused(Code::GBP_SENDER_MISMATCH, None, None));
        };
        if !self.signals.may_send(member, StreamClass::Audio) {
            let number = Some(ErrorNumber::GSP_UNAUTHORIZED);
            return Ok(refused(Code::GSP_UNAUTHORIZED, number, Some(member)));
        }
        Ok(match self.audio.receive(member, opened.format, &plaintext, now) {
            Ok(accepted) => Event::Audio(AudioTaken {
                member,
                source: accepted.track.source,
                arrival: accepted.arrival,
                sequence: accepted.payload.sequence,
                timestamp: accepted.payload.timestamp,
                frame: accepted.payload.frame,
                codec: opened.format.codec().unwrap_or_default(),
            }),
            Err(error) => refused(error.code(), error.number(), Some(member)),
        })
    }
}

/// Whose word a payload is.
fn origin(opened: &Opened) -> Origin {
    opened.member().map_or(Origin::Unknown, Origin::Member)
}

/// Where a piece of an attachment stands.
pub(crate) fn piece_key((sender, id): coterie_gtp::AttachmentKey, index: u32) -> Vec<u8> {
    [&pieces_of((sender, id))[..], &index.to_be_bytes()].concat()
}

/// What the keys of all its pieces begin with.
pub(crate) fn pieces_of((sender, id): coterie_gtp::AttachmentKey) -> Vec<u8> {
    [&sender.number().to_be_bytes()[..], &id.number().to_be_bytes()].concat()
}

/// Hints that deployed senders set.
pub(crate) const fn flags_of(class: StreamClass) -> Flags {
    match class {
        StreamClass::Audio => Flags::AUDIO,
        _ => Flags::MESSAGE,
    }
}
