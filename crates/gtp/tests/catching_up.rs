//! Members that miss messages, ask, and are answered: by honest members and by others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use coterie_gtp::{
    CaughtUp, Content, Cut, Draft, Expired, Label, Outgoing, Received, SendError, TextClient, Verdict,
};
use coterie_testkit::T0;
use coterie_types::{Duration, MessageId, RequestId};
use coterie_wire::Codec;
use coterie_wire::payload::{AttachmentId, ContentType, Manifest, Resync};
use support::{ALICE, BOB, CAROL, client, from};

const REQUEST: RequestId = RequestId::new(77);

fn caught_up(received: Received) -> CaughtUp {
    match received.content {
        Content::CaughtUp(page) => page,
        other => panic!("{other:?}"),
    }
}

/// One request and its answer.
fn turn(asker: &mut TextClient, request: &Outgoing, helper: &mut TextClient) -> CaughtUp {
    let Content::Asked(asked) = helper.receive(&from(request)).unwrap().content else { panic!("a request") };
    let answer = helper.answer(&asked, T0, |_| None).unwrap();
    caught_up(asker.receive(&from(&answer)).unwrap())
}

/// All pages.
fn catch_up(asker: &mut TextClient, helper: &mut TextClient) -> Vec<CaughtUp> {
    let mut request = asker.ask(helper.member(), REQUEST, T0).unwrap();
    let mut pages = vec![turn(asker, &request, helper)];
    while pages.last().unwrap().more {
        request = asker.ask_on(T0).unwrap().unwrap();
        pages.push(turn(asker, &request, helper));
    }
    assert_eq!(asker.asking(), None);
    pages
}

fn say(speaker: &mut TextClient, text: &str, hearers: &mut [&mut TextClient]) -> Outgoing {
    let sent = speaker.send(Draft::text(text)).unwrap();
    for hearer in hearers {
        hearer.receive(&from(&sent)).unwrap();
    }
    sent
}

fn new_ones(pages: &[CaughtUp]) -> Vec<u64> {
    let messages = pages.iter().flat_map(|page| &page.messages);
    messages.filter(|one| one.verdict == Verdict::New).map(|one| one.message.id.number()).collect()
}

#[test]
fn what_was_missed_comes_page_by_page_once_and_in_each_senders_order() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    for number in 0..700 {
        let lost = number % 3 != 0;
        let mut hearers = vec![&mut bob];
        if !lost {
            hearers.push(&mut carol);
        }
        say(&mut alice, &format!("message {number}"), &mut hearers);
    }
    let pages = catch_up(&mut carol, &mut bob);
    let came = new_ones(&pages);
    assert_eq!(came.len(), 466, "everything that was lost, and nothing twice");
    assert!(came.is_sorted());
    assert!(pages.len() > 1);
    assert_eq!(carol.history().unwrap().len(), 700);
    let again = catch_up(&mut carol, &mut bob);
    assert_eq!((again.len(), again[0].messages.len()), (1, 0), "the gap is closed");
}

#[test]
fn a_gap_is_given_up_when_the_sender_itself_cannot_fill_it_and_not_before() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    say(&mut alice, "heard", &mut [&mut bob, &mut carol]);
    say(&mut alice, "lost to both", &mut []);
    say(&mut alice, "heard", &mut [&mut bob, &mut carol]);
    assert_eq!(carol.watermark().missing_above()[&ALICE], MessageId::new(1));
    assert_eq!(new_ones(&catch_up(&mut carol, &mut bob)), Vec::<u64>::new());
    assert_eq!(carol.watermark().missing_above()[&ALICE], MessageId::new(1), "bob missed it as well");
    let mut forgetful = alice.clone();
    forgetful.clear_history();
    assert_eq!(new_ones(&catch_up(&mut carol, &mut forgetful)), Vec::<u64>::new());
    assert_eq!(carol.watermark().missing_above()[&ALICE], MessageId::new(4), "her answer has a number, too");
}

#[test]
fn a_helper_who_got_messages_out_of_order_passes_all_of_them_on() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let sent: Vec<Outgoing> = (0..600).map(|_| alice.send(Draft::text("x")).unwrap()).collect();
    for message in sent.iter().rev() {
        bob.receive(&from(message)).unwrap();
    }
    let came = new_ones(&catch_up(&mut carol, &mut bob));
    assert_eq!(came, (1..=600).collect::<Vec<u64>>());
}

#[test]
fn large_messages_make_small_pages() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let large = "x".repeat(400_000);
    (0..5).for_each(|_| drop(say(&mut alice, &large, &mut [&mut bob])));
    let pages = catch_up(&mut carol, &mut bob);
    assert_eq!((pages.len(), new_ones(&pages).len()), (3, 5));
}

#[test]
fn contents_that_stand_in_rows_are_fetched_by_their_positions() {
    let mut options = support::options();
    options.history = Some(coterie_gtp::HistoryLimits { in_memory: false, ..Default::default() });
    let [mut alice, mut carol] = [ALICE, CAROL].map(client);
    let mut bob = TextClient::new(BOB, options).unwrap();
    let sent = say(&mut alice, "kept elsewhere", &mut [&mut bob]);
    let request = carol.ask(BOB, REQUEST, T0).unwrap();
    let Content::Asked(asked) = bob.receive(&from(&request)).unwrap().content else { panic!("a request") };
    let answer = bob.answer(&asked, T0, |position| (position == 0).then(|| sent.message.clone())).unwrap();
    assert_eq!(new_ones(&[caught_up(carol.receive(&from(&answer)).unwrap())]), [1]);
}

#[test]
fn answers_that_were_not_asked_for_change_nothing() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let replay = Resync::Replay { messages: vec![], more: true }.encode().unwrap();
    let draft = |request| Draft { request, ..Draft::content(ContentType::Binary, replay.clone()) };
    let before = carol.export();
    let unasked = bob.send(draft(REQUEST)).unwrap();
    assert!(carol.receive(&from(&unasked)).is_err());
    assert_eq!(carol.export(), before);
    carol.ask(ALICE, REQUEST, T0).unwrap();
    assert!(carol.receive(&from(&unasked)).is_err(), "another member was asked");
    let other = alice.send(draft(RequestId::new(78))).unwrap();
    assert!(carol.receive(&from(&other)).is_err(), "another request was made");
    let hollow = alice.send(draft(REQUEST)).unwrap();
    assert!(!caught_up(carol.receive(&from(&hollow)).unwrap()).more, "an empty page ends it");
}

#[test]
fn an_attachment_whose_manifest_was_replayed_can_be_expected_and_received() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let cut = Cut::of(AttachmentId::new(1), Label { filename: "f", mime_type: "" }, b"data", 4).unwrap();
    bob.receive(&from(&alice.send_manifest(&cut, T0).unwrap())).unwrap();
    let pages = catch_up(&mut carol, &mut bob);
    let replayed = &pages[0].messages[0].message;
    let manifest = Manifest::decode(Codec::Cbor.into(), &replayed.content).unwrap();
    let (progress, rows) = carol.expect_attachment(ALICE, manifest.clone(), T0).unwrap();
    assert_eq!((progress.fresh, rows.len()), (true, 1));
    assert!(carol.expect_attachment(ALICE, manifest, T0).unwrap().1.is_empty());
    let piece = alice.send_piece(&cut.piece(0, b"data".to_vec()).unwrap(), T0).unwrap();
    carol.receive(&from(&piece)).unwrap();
    assert_eq!(carol.attachments().assemble(progress.key).unwrap(), b"data");
}

#[test]
fn what_a_liar_replays_gives_way_to_the_senders_own_word_and_is_not_passed_on() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let genuine = alice.send(Draft::text("genuine")).unwrap();
    let mut forged = genuine.message.clone();
    forged.content = b"forged".to_vec();
    let mut far = forged.clone();
    far.id = MessageId::new(u64::MAX);
    let replay = Resync::Replay { messages: vec![forged.clone(), far], more: false }.encode().unwrap();
    carol.ask(BOB, REQUEST, T0).unwrap();
    let draft = Draft { request: REQUEST, ..Draft::content(ContentType::Binary, replay) };
    let lie = bob.send(draft).unwrap();
    assert_eq!(new_ones(&[caught_up(carol.receive(&from(&lie)).unwrap())]).len(), 2);
    assert_eq!(carol.watermark().last_seen(ALICE), None, "a liar moves no watermark");

    let mut dave = client(coterie_types::MemberId::new(4));
    assert_eq!(new_ones(&catch_up(&mut dave, &mut carol)), Vec::<u64>::new());

    let received = carol.receive(&from(&genuine)).unwrap();
    assert_eq!(received.verdict, Verdict::Corrected);
    let history = carol.history().unwrap();
    let kept = history.at(history.position(ALICE, genuine.message.id).unwrap()).unwrap();
    assert_eq!((kept.message, kept.relayed), (Some(&genuine.message), false));
    assert_eq!(carol.receive(&from(&genuine)).unwrap().verdict, Verdict::Duplicate);
}

#[test]
fn who_does_not_answer_is_given_up_at_the_deadline_and_not_before() {
    let mut carol = client(CAROL);
    carol.ask(ALICE, REQUEST, T0).unwrap();
    assert_eq!(carol.ask(BOB, REQUEST, T0).unwrap_err(), SendError::Asking(ALICE));
    let deadline = carol.poll_timeout().unwrap();
    assert!(carol.handle_timeout(T0).0.is_empty());
    assert_eq!(carol.handle_timeout(deadline).0, [Expired::Asking(ALICE)]);
    assert_eq!(carol.poll_timeout(), None);
    carol.set_resync(false);
    assert_eq!(carol.ask(BOB, REQUEST, T0 + Duration::from_secs(60)).unwrap_err(), SendError::NotAgreed);
}
