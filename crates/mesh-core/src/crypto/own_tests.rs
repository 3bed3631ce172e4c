use super::*;
use crate::border::Output;
use crate::crypto::invite::{MAX_INVITES, invite_psk};
use crate::crypto::ratchet::Fake;
use crate::store::{Memory, StoreOp};
use crate::wire::codec;

/// One node's identity over a storage in memory, and a clock that only the test moves.
struct Rig {
    own: OwnIdentity,
    rng: Rng,
    now: Now,
    store: Memory,
}

impl Rig {
    fn new() -> Self {
        let (mut rng, mut out, store) = (Rng::new([1; 32]), Outbox::default(), Memory::default());
        let now = Now::default();
        let own = OwnIdentity::create(&mut rng, &Fake, now, &mut out).unwrap();
        apply(&store, out);
        Self { own, rng, now, store }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut OwnIdentity, Now, &mut Rng, &mut Outbox) -> T) -> T {
        let mut out = Outbox::default();
        let answer = act(&mut self.own, self.now, &mut self.rng, &mut out);
        apply(&self.store, out);
        answer
    }

    fn run_for(&mut self, span: Duration) {
        self.now.mono = self.now.mono + span;
        self.with(|own, now, rng, out| own.tick(now, rng, &Fake, out));
    }

    fn rotate(&mut self) {
        self.with(|own, _, rng, out| own.rotate(rng, &Fake, out));
    }

    fn invite(&mut self, uses: Option<u32>, lifetime: Option<Duration>) -> InviteView {
        self.with(|own, now, rng, out| own.invite_new(now, rng, uses, lifetime, out)).unwrap()
    }

    fn revoke(&mut self, number: u32) -> bool {
        self.with(|own, _, rng, out| own.invite_revoke(number, rng, out))
    }

    /// Ends the process and starts it again from what was stored, with a clock that begins anew.
    fn restart(&mut self) {
        self.now = Now::default();
        self.own = OwnIdentity::restore(&Fake, self.now, &self.store).unwrap().unwrap();
    }

    fn seqs(&self) -> Vec<u32> {
        self.own.generations().map(Generation::seq).collect()
    }
}

fn apply(store: &Memory, mut out: Outbox) {
    let ops = core::iter::from_fn(|| out.pop()).filter_map(|output| match output {
        Output::Store(op) => Some(op),
        _ => None,
    });
    let ops: Vec<StoreOp> = ops.collect();
    store.apply(ops);
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn an_empty_storage_holds_no_identity() {
    assert!(OwnIdentity::restore(&Fake, Now::default(), &Memory::default()).unwrap().is_none());
}

#[test]
fn what_was_created_is_restored() {
    let mut rig = Rig::new();
    let (account, intro, link) = (rig.own.account(), rig.own.intro().clone(), rig.own.link());
    let noise = *rig.own.noise().private();
    rig.restart();
    assert_eq!(rig.own.account(), account);
    assert_eq!(rig.own.intro(), &intro);
    assert_eq!(rig.own.link(), link);
    assert_eq!(rig.own.noise().private(), &noise);
    assert!(rig.own.devices().holds(rig.own.cert()));
}

#[test]
fn the_own_intro_verifies_and_promises_the_kem_key() {
    let rig = Rig::new();
    let intro = rig.own.intro().to_intro().verify().unwrap();
    intro.check_kem(rig.own.kem_key()).unwrap();
    assert_eq!(rig.own.generation().kem().key(), *rig.own.kem_key());
    assert_eq!(rig.own.generation().prekey().public(), intro.bundle().prekey);
}

#[test]
fn the_link_leads_to_the_newest_device_keys() {
    let rig = Rig::new();
    let link = ContactLink::from_text(&rig.own.link()).unwrap();
    assert_eq!(link.intro(), rig.own.intro());
}

#[test]
fn a_generation_begins_every_seven_days_of_uptime() {
    let mut rig = Rig::new();
    rig.run_for(DAY * 6);
    assert_eq!(rig.seqs(), [1]);
    rig.run_for(DAY);
    assert_eq!(rig.seqs(), [2, 1]);
    assert_eq!(rig.own.intro().bundle().seq, 2);
}

#[test]
fn uptime_is_added_up_over_restarts_and_time_switched_off_does_not_count() {
    let mut rig = Rig::new();
    for _ in 0..6 {
        rig.run_for(DAY);
        rig.restart();
    }
    assert_eq!(rig.seqs(), [1]);
    rig.run_for(DAY);
    assert_eq!(rig.seqs(), [2, 1]);
}

#[test]
fn a_clock_that_stands_or_runs_back_counts_nothing() {
    let mut rig = Rig::new();
    rig.run_for(DAY * 6);
    rig.now.mono = Time(0);
    rig.with(|own, now, rng, out| own.tick(now, rng, &Fake, out));
    rig.now.mono = Time(0) + DAY * 6;
    rig.with(|own, now, rng, out| own.tick(now, rng, &Fake, out));
    assert_eq!(rig.seqs(), [1]);
}

#[test]
fn the_wakeup_is_the_next_save_rotation_or_end_of_an_invite() {
    let mut rig = Rig::new();
    assert_eq!(rig.own.next_wakeup(), Time(0) + SAVE_EVERY);
    rig.invite(None, Some(Duration::from_secs(60)));
    assert_eq!(rig.own.next_wakeup(), Time(60_000));
    rig.run_for(DAY * 7 - Duration::from_secs(1));
    assert_eq!(rig.own.next_wakeup(), Time(0) + DAY * 7);
}

#[test]
fn three_generations_are_kept_and_older_ones_destroyed() {
    let mut rig = Rig::new();
    let number = rig.own.invites()[0].number;
    for _ in 0..5 {
        rig.rotate();
    }
    rig.revoke(number);
    assert_eq!(rig.seqs(), [6, 5, 4]);
    for seq in 1..=3 {
        assert_eq!(rig.store.load(Table::Session, &generation_key(seq)).unwrap(), None);
    }
    rig.restart();
    assert_eq!(rig.seqs(), [6, 5, 4]);
}

#[test]
fn attack_16_a_destroyed_generation_leaves_no_private_key_in_storage() {
    let mut rig = Rig::new();
    let secrets = [*rig.own.generation().prekey().private(), copied(rig.own.generation().kem().seed())];
    let number = rig.own.invites()[0].number;
    let stored = |store: &Memory, secret: &[u8]| {
        let mut found = false;
        for table in Table::ALL {
            let mut visit =
                |_: &[u8], value: &[u8]| found |= value.windows(secret.len()).any(|w| w == secret);
            store.scan(table, &mut visit).unwrap();
        }
        found
    };
    assert!(secrets.iter().all(|secret| stored(&rig.store, secret)));
    rig.revoke(number);
    for _ in 0..3 {
        rig.rotate();
    }
    // The default invite that took the revoked one's place holds generation 1 as well.
    let number = rig.own.invites()[0].number;
    rig.revoke(number);
    assert!(!secrets.iter().any(|secret| stored(&rig.store, secret)));
}

fn copied(seed: &[u8; 64]) -> [u8; 32] {
    core::array::from_fn(|i| seed[i])
}

#[test]
fn a_live_invite_keeps_the_generation_that_its_link_carries() {
    let mut rig = Rig::new();
    let poster = rig.invite(None, None);
    for _ in 0..10 {
        rig.rotate();
    }
    assert_eq!(rig.seqs(), [11, 10, 9, 1]);
    let link = ContactLink::from_text(&poster.link).unwrap();
    assert_eq!(link.intro().bundle().seq, 1);
    assert_eq!(rig.own.invites().iter().find(|view| view.number == poster.number), Some(&poster));
}

#[test]
fn an_old_generation_opens_only_for_the_invites_that_keep_it() {
    let mut rig = Rig::new();
    let (one, two) = (rig.own.invites()[0].number, rig.invite(None, None).number);
    for _ in 0..4 {
        rig.rotate();
    }
    let late = rig.invite(None, None).number;
    let numbers = |seq| {
        let generation = rig.own.generation_of(seq).unwrap();
        rig.own.psks(generation).into_iter().map(|psk| psk.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(5), [Some(late), Some(two), Some(one), None]);
    assert_eq!(numbers(1), [Some(two), Some(one)]);
}

#[test]
fn the_key_of_an_invite_is_that_of_its_link() {
    let rig = Rig::new();
    let link = ContactLink::from_text(&rig.own.link()).unwrap();
    let psks = rig.own.psks(rig.own.generation());
    assert_eq!(psks[0].psk, invite_psk(&link.invite()));
    assert_eq!(psks[1].psk, no_invite_psk());
}

#[test]
fn there_are_never_more_than_six_prekeys_to_try() {
    let mut rig = Rig::new();
    for _ in 0..MAX_INVITES - 1 {
        rig.rotate();
        rig.invite(None, None);
        assert!(rig.own.generations().count() <= KEPT + PINNED);
    }
    for view in rig.own.invites() {
        let link = ContactLink::from_text(&view.link).unwrap();
        assert!(rig.own.generation_of(link.intro().bundle().seq).is_some());
    }
    rig.rotate();
    rig.rotate();
    rig.rotate();
    assert_eq!(rig.own.generations().count(), KEPT + PINNED);
}

#[test]
fn at_most_sixteen_invites_stand_at_a_time() {
    let mut rig = Rig::new();
    for _ in 1..MAX_INVITES {
        rig.invite(None, None);
    }
    let full = rig.with(|own, now, rng, out| own.invite_new(now, rng, None, None, out));
    assert_eq!(full, Err(InvitesFull { limit: 16 }));
    assert_eq!(rig.own.psks(rig.own.generation()).len(), 17);
}

#[test]
fn revoking_destroys_the_secret_and_what_was_kept_for_it() {
    let mut rig = Rig::new();
    let default = rig.own.invites()[0].number;
    for _ in 0..4 {
        rig.rotate();
    }
    let psk = rig.own.psks(rig.own.generation_of(1).unwrap()).pop().unwrap().psk;
    assert!(rig.revoke(default));
    assert!(rig.own.generation_of(1).is_none());
    rig.restart();
    assert!(rig.own.generation_of(1).is_none());
    assert!(rig.own.psks(rig.own.generation()).iter().all(|kept| kept.psk != psk));
}

#[test]
fn a_revoked_default_is_replaced_by_one_of_the_newest_generation() {
    let mut rig = Rig::new();
    let (old, link) = (rig.own.invites()[0].number, rig.own.link());
    rig.rotate();
    assert!(rig.revoke(old));
    assert!(!rig.revoke(old));
    assert_ne!(rig.own.link(), link);
    assert_eq!(ContactLink::from_text(&rig.own.link()).unwrap().intro().bundle().seq, 2);
}

#[test]
fn an_invite_ends_after_its_uptime() {
    let mut rig = Rig::new();
    let invite = rig.invite(None, Some(DAY));
    assert_eq!(invite.expires_in, Some(DAY));
    rig.run_for(DAY / 2);
    rig.restart();
    assert_eq!(rig.own.invites()[1].expires_in, Some(DAY / 2));
    rig.run_for(DAY / 2);
    assert_eq!(rig.own.invites().len(), 1);
    rig.restart();
    assert_eq!(rig.own.invites().len(), 1);
}

#[test]
fn a_spent_invite_still_opens_repetitions_and_then_ends() {
    let mut rig = Rig::new();
    let invite = rig.invite(Some(2), None);
    let spend = |rig: &mut Rig| rig.with(|own, _, _, out| own.invite_spend(invite.number, out));
    assert!(spend(&mut rig));
    assert_eq!(rig.own.invites()[1].uses_left, Some(1));
    assert!(spend(&mut rig));
    assert!(!spend(&mut rig), "no third account");
    rig.restart();
    assert_eq!(rig.own.invites().len(), 1, "nobody is given a spent one");
    let spent = |rig: &Rig| rig.own.psks(rig.own.generation()).iter().any(|psk| psk.spent);
    assert!(spent(&rig));
    rig.run_for(DAY * 14);
    assert!(!spent(&rig));
}

#[test]
fn an_invite_without_limit_is_never_spent() {
    let mut rig = Rig::new();
    let number = rig.own.invites()[0].number;
    for _ in 0..100 {
        assert!(rig.with(|own, _, _, out| own.invite_spend(number, out)));
    }
    assert!(!rig.with(|own, _, _, out| own.invite_spend(999, out)));
}

#[test]
fn a_missing_or_damaged_record_is_an_error_and_never_a_new_identity() {
    let rig = Rig::new();
    for key in [INDEX.to_vec(), INVITES.to_vec(), generation_key(1)] {
        let store = rig.store.snapshot();
        store.apply([StoreOp::delete(Table::Session, key)]);
        assert!(matches!(
            OwnIdentity::restore(&Fake, Now::default(), &store),
            Err(RestoreError::Missing { .. })
        ));
    }
    for at in 0..3 {
        let store = rig.store.snapshot();
        let mut bytes = store.load(Table::Identity, LONG_LIVED).unwrap().unwrap();
        bytes[at * 32 + 4] ^= 1;
        store.apply([StoreOp::put(Table::Identity, LONG_LIVED, bytes)]);
        assert!(OwnIdentity::restore(&Fake, Now::default(), &store).is_err(), "key {at}");
    }
}

#[test]
fn golden_records_keep_their_length() {
    let rig = Rig::new();
    let len = |table, key: &[u8]| rig.store.load(table, key).unwrap().unwrap().len();
    assert_eq!(len(Table::Identity, LONG_LIVED), 96 + 1 + 129 + 64 + 1 + 18 + 64);
    assert_eq!(len(Table::Session, INDEX), 4);
    assert_eq!(codec::encode(&rig.own.invites).len(), len(Table::Session, INVITES));
}

#[test]
fn attack_26_debug_shows_no_secret() {
    let rig = Rig::new();
    let shown = format!("{:?} {:?}", rig.own, rig.own.generation());
    let secrets: [&[u8]; 4] = [
        rig.own.account.seed(),
        rig.own.device.signing_seed(),
        rig.own.noise().private(),
        rig.own.generation().prekey().private(),
    ];
    for secret in secrets {
        for form in [data_encoding::HEXLOWER.encode(secret), format!("{secret:?}")] {
            let start: String = form.chars().take(12).collect();
            assert!(!shown.contains(start.trim_start_matches('[')), "{shown}");
        }
    }
}

#[test]
fn a_real_ratchet_carries_the_identity_through_generations_and_a_restart() {
    use crate::crypto::ratchet::Vodozemac;
    let (mut rng, mut out, store) = (Rng::new([1; 32]), Outbox::default(), Memory::default());
    let mut own = OwnIdentity::create(&mut rng, &Vodozemac, Now::default(), &mut out).unwrap();
    own.rotate(&mut rng, &Vodozemac, &mut out);
    apply(&store, out);
    let restored = OwnIdentity::restore(&Vodozemac, Now::default(), &store).unwrap().unwrap();
    for generation in restored.generations() {
        let keys = Vodozemac.account_keys(generation.olm()).unwrap();
        assert_eq!(keys.identity, restored.cert().olm);
        assert_eq!(keys.fallback, generation.bundle().fallback);
    }
    assert_eq!(restored.intro(), own.intro());
}
