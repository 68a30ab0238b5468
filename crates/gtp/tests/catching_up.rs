//! Members that miss messages, ask, and are answered: by honest members and by others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use coterie_gtp::limits::MAX_JOINERS;
use coterie_gtp::{
    CaughtUp, Content, Cut, Draft, Expired, Incoming, Label, Outgoing, ReceiveError, Received, SendError,
    TextClient, TextOptions, Verdict,
};
use coterie_testkit::T0;
use coterie_types::{Duration, Epoch, MemberId, MessageId, RequestId};
use coterie_wire::Codec;
use coterie_wire::payload::{AttachmentId, ContentType, Manifest, Resync, TextMessage};
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
    assert_eq!((bob.wanted_for(&asked), alice.wanted_for(&asked)), (vec![0], vec![]));
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
    let replay =
        Resync::Replay { messages: vec![(None, forged.clone()), (None, far)], more: false }.encode().unwrap();
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

/// Carol has asked, and Bob answers with one message of Alice's, in his words.
fn passed_on(bob: &mut TextClient, carol: &mut TextClient, message: &TextMessage, more: bool) -> Received {
    carol.ask(BOB, REQUEST, T0).unwrap();
    let page = page_of(bob, message, more);
    carol.receive(&from(&page)).unwrap()
}

fn page_of(bob: &mut TextClient, message: &TextMessage, more: bool) -> Outgoing {
    let replay = Resync::Replay { messages: vec![(None, message.clone())], more }.encode().unwrap();
    bob.send(Draft { request: REQUEST, ..Draft::content(ContentType::Binary, replay) }).unwrap()
}

#[test]
fn the_senders_own_word_replaces_a_replayed_row_that_outlived_what_was_remembered() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let genuine = alice.send(Draft::text("genuine")).unwrap();
    let forged = TextMessage { content: b"forged".to_vec(), ..genuine.message.clone() };
    passed_on(&mut bob, &mut carol, &forged, false);
    carol.reset();
    let again = passed_on(&mut bob, &mut carol, &forged, false);
    assert_eq!(caught_up(again).messages[0].verdict, Verdict::Duplicate, "another's word again is no news");

    assert_eq!(carol.receive(&from(&genuine)).unwrap().verdict, Verdict::Corrected);
    let kept = carol.history().unwrap().find(ALICE, genuine.message.id).unwrap();
    assert_eq!((kept.message, kept.relayed), (Some(&genuine.message), false));
    assert_eq!(carol.receive(&from(&genuine)).unwrap().verdict, Verdict::Duplicate);
    let mut other = alice.clone();
    let other = other.send(Draft { id: Some(genuine.message.id), ..Draft::text("other") }).unwrap();
    assert_eq!(carol.receive(&from(&other)).unwrap().verdict, Verdict::Conflicting, "it was remembered");
}

#[test]
fn what_the_sender_confirmed_is_passed_on_after_a_restart_as_well() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let genuine = say(&mut alice, "genuine", &mut [&mut bob]);
    let received = passed_on(&mut bob, &mut carol, &genuine.message, false);
    assert_eq!(caught_up(received).messages[0].verdict, Verdict::New);
    let confirmed = carol.receive(&from(&genuine)).unwrap();
    assert_eq!((confirmed.verdict, confirmed.changes.len()), (Verdict::Duplicate, 3), "seen, kept and mark");

    let mut carol = TextClient::import(CAROL, support::options(), &carol.export()).unwrap();
    let mut dave = client(coterie_types::MemberId::new(4));
    assert_eq!(new_ones(&catch_up(&mut dave, &mut carol)), [1]);
}

#[test]
fn a_page_is_taken_once_for_each_request() {
    let [mut alice, mut bob, mut carol] = [ALICE, BOB, CAROL].map(client);
    let [first, second] = ["one", "two"].map(|text| alice.send(Draft::text(text)).unwrap().message);
    assert!(caught_up(passed_on(&mut bob, &mut carol, &first, true)).more);
    let page = page_of(&mut bob, &second, false);
    let before = carol.export();
    assert_eq!(carol.receive(&from(&page)).unwrap_err(), ReceiveError::NotAsked(BOB));
    assert_eq!(carol.export(), before);
    let later = T0 + Duration::from_secs(9);
    carol.ask_on(later).unwrap().unwrap();
    assert!(carol.handle_timeout(T0 + Duration::from_secs(15)).0.is_empty(), "he has the whole time again");
    assert_eq!(new_ones(&[caught_up(carol.receive(&from(&page)).unwrap())]), [2]);
}

#[test]
fn a_replay_brings_nothing_that_the_group_does_not_take() {
    let types = vec![ContentType::Plain, ContentType::Binary];
    let options = TextOptions { content_types: Some(types), ..support::options() };
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let mut carol = TextClient::new(CAROL, options).unwrap();
    let markdown = Draft::content(ContentType::Markdown, b"# x".to_vec());
    bob.receive(&from(&alice.send(markdown).unwrap())).unwrap();
    say(&mut alice, "plain", &mut [&mut bob]);
    assert_eq!(new_ones(&catch_up(&mut carol, &mut bob)), [2]);
    assert_eq!(carol.history().unwrap().len(), 1);
}

const DAVE: MemberId = MemberId::new(4);
const EVE: MemberId = MemberId::new(5);

/// What somebody says in an epoch, as whoever hears it late or at once takes it.
fn heard(hearer: &mut TextClient, sent: &Outgoing, epoch: u64) {
    hearer.receive(&Incoming { epoch: Epoch::new(epoch), ..from(sent) }).unwrap();
}

/// Under another number. What it kept is its own: who came in while it was out, and when, it cannot know.
#[test]
fn who_comes_back_keeps_its_history_and_passes_on_nothing_of_it() {
    let [mut alice, mut bob] = [ALICE, BOB].map(client);
    let before = alice.send(Draft::text("before")).unwrap();
    heard(&mut bob, &before, 1);
    bob.send(Draft::text("bob before")).unwrap();
    bob.joined(CAROL, Epoch::new(1)).unwrap();
    let (mut eve, changes) = bob.come_back(EVE, Epoch::new(5), support::key(3));
    assert_eq!(changes.len(), 5, "seen, marks and joiners go, its own row and its coming are written");
    let heard_again = eve.receive(&Incoming { epoch: Epoch::new(5), ..from(&before) }).unwrap();
    assert_eq!(heard_again.verdict, Verdict::Duplicate, "the history knows it");
    let since = alice.send(Draft::text("since")).unwrap();
    heard(&mut eve, &since, 5);
    let own = eve.send(Draft::text("eve")).unwrap();
    assert_eq!((own.message.sender, own.message.id), (EVE, MessageId::new(1)));
    assert_eq!(eve.history().unwrap().len(), 4);

    let mut eve = TextClient::import(EVE, support::options(), &eve.export()).unwrap();
    for asker in [CAROL, DAVE] {
        let told = catch_up(&mut client(asker), &mut eve).remove(0).messages;
        let told: Vec<_> = told.into_iter().map(|one| one.message).collect();
        assert_eq!(told, [since.message.clone(), own.message.clone()]);
    }
}

#[test]
fn whoever_came_in_later_hears_nothing_of_before() {
    let [mut alice, mut bob, mut dave] = [ALICE, BOB, DAVE].map(client);
    let [before, late] = ["before", "late"].map(|text| alice.send(Draft::text(text)).unwrap());
    bob.send(Draft::text("bob before")).unwrap();
    heard(&mut bob, &before, 1);
    bob.joined(DAVE, Epoch::new(2)).unwrap();
    heard(&mut bob, &late, 1);
    let since = alice.send(Draft::text("since")).unwrap();
    heard(&mut bob, &since, 2);
    let own = bob.send(Draft::text("bob since")).unwrap();

    let mut bob = TextClient::import(BOB, support::options(), &bob.export()).unwrap();
    let told: Vec<_> = catch_up(&mut dave, &mut bob).remove(0).messages;
    let told: Vec<_> = told.into_iter().map(|one| one.message).collect();
    assert_eq!(told, [since.message, own.message]);
    // A member of the beginning hears everything.
    assert_eq!(catch_up(&mut client(CAROL), &mut bob)[0].messages.len(), 5);
    assert_eq!(bob.left(DAVE).into_iter().chain(bob.left(DAVE)).count(), 1);
}

#[test]
fn what_its_sender_replays_is_passed_on_to_those_who_were_in_when_it_was_said() {
    let [mut alice, mut bob, mut dave, mut eve] = [ALICE, BOB, DAVE, EVE].map(client);
    alice.send(Draft::text("before")).unwrap();
    alice.set_epoch(Epoch::new(2));
    alice.send(Draft::text("since")).unwrap();
    alice.joined(EVE, Epoch::new(3)).unwrap();
    alice.send(Draft::text("last")).unwrap();
    // Bob missed it all; he does not hear from Alice when Eve came in.
    bob.joined(DAVE, Epoch::new(2)).unwrap();
    bob.joined(EVE, Epoch::new(3)).unwrap();
    assert_eq!(new_ones(&catch_up(&mut bob, &mut alice)), [1, 2, 3]);
    assert_eq!(new_ones(&catch_up(&mut dave, &mut bob)), [2, 3]);
    assert_eq!(new_ones(&catch_up(&mut eve, &mut bob)), [3]);
}

#[test]
fn only_so_many_are_remembered() {
    let mut alice = client(ALICE);
    let most = u32::try_from(MAX_JOINERS).unwrap();
    (0..most).for_each(|number| drop(alice.joined(MemberId::new(number), Epoch::new(1)).unwrap()));
    assert_eq!(alice.joined(MemberId::new(most), Epoch::new(2)), None);
    assert!(alice.joined(MemberId::new(0), Epoch::new(2)).is_some());
    let again = TextClient::import(ALICE, support::options(), &alice.export()).unwrap();
    assert_eq!(again.export(), alice.export());
}
