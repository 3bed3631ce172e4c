use super::*;
use crate::crypto::account::AccountSecret;
use crate::crypto::device::DeviceSecret;
use crate::crypto::dh::{X25519Secret, low_order_points};
use crate::crypto::kem::KemSecret;
use crate::wire::codec;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

/// An account and device whose every key follows from one byte.
struct Person {
    account: AccountSecret,
    device: DeviceSecret,
    seed: u8,
}

impl Person {
    fn new(seed: u8) -> Self {
        let device = DeviceSecret::from_parts(&[seed + 1; 32], [seed + 2; 32]);
        Self { account: AccountSecret::from_seed(&[seed; 32]), device, seed }
    }

    fn public(&self, plus: u8) -> [u8; 32] {
        X25519Secret::from_private([self.seed + plus; 32]).public()
    }

    fn cert_value(&self) -> Cert {
        Cert {
            account: self.account.key(),
            list_seq: 1,
            device: self.device.key(),
            noise: self.device.noise().public(),
            olm: self.public(3),
        }
    }

    fn bundle_value(&self, cert: &Verified<Cert>, seq: u32) -> Bundle {
        let (prekey, fallback) = (self.public(4), self.public(5));
        Bundle { cert_hash: cert.hash(), seq, prekey, fallback, kem_hash: kem(self.seed).hash() }
    }

    fn intro(&self, seq: u32) -> Intro {
        self.intro_of(self.cert_value(), |bundle| bundle.seq = seq)
    }

    fn intro_of(&self, cert: Cert, change: impl FnOnce(&mut Bundle)) -> Intro {
        let cert = self.account.certify(cert);
        let mut bundle = self.bundle_value(&cert, 1);
        change(&mut bundle);
        let bundle = self.device.bundle(bundle);
        Intro { cert: cert.signed().clone(), bundle: bundle.signed().clone() }
    }
}

fn kem(seed: u8) -> KemKey {
    KemSecret::from_seed([seed; 64]).key()
}

fn golden(name: &str) -> String {
    let lines = include_str!("fixtures/identity.txt").lines();
    let line = lines.filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == name);
    line.map(|(_, hex)| hex.to_owned()).unwrap_or_default()
}

#[test]
fn golden_certificate() {
    let person = Person::new(1);
    let cert = person.account.certify(person.cert_value());
    let bytes = cert.signed().bytes();
    assert_eq!(bytes.len(), 129);
    assert_eq!(bytes[..32], person.account.key().0);
    assert_eq!(bytes[32], 1);
    assert_eq!(bytes[33..65], person.device.key().0);
    assert_eq!(bytes[65..97], person.device.noise().public());
    assert_eq!(bytes[97..], person.public(3));
    assert_eq!(HEXLOWER.encode(&codec::encode(cert.signed())), golden("cert"));
}

#[test]
fn golden_bundle() {
    let intro = Person::new(1).intro(7);
    let bytes = intro.bundle.bytes();
    assert_eq!(bytes.len(), 97);
    assert_eq!(bytes[..16], intro.cert.hash());
    assert_eq!(bytes[16], 7);
    assert_eq!(bytes[81..], kem(1).hash());
    assert_eq!(HEXLOWER.encode(&codec::encode(&intro.bundle)), golden("bundle"));
}

#[test]
fn golden_device_list() {
    let list = DeviceList { seq: 300, certs: vec![[1; 16], [2; 16]] };
    let signed = Person::new(1).account.list(list);
    assert_eq!(HEXLOWER.encode(&codec::encode(signed.signed())), golden("devices"));
}

#[test]
fn an_honest_intro_verifies_and_names_account_and_device() {
    let person = Person::new(1);
    let intro = person.intro(1).verify().unwrap();
    assert_eq!(intro.account_id(), person.account.key().id());
    assert_eq!(intro.device_id(), person.device.key().id());
    assert_eq!(intro.to_intro(), person.intro(1));
    intro.check_kem(&kem(1)).unwrap();
}

#[test]
fn attack_05_every_changed_bit_of_an_intro_is_rejected() {
    let whole = codec::encode(&Person::new(1).intro(1));
    for at in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            let verified = codec::decode::<Intro>(&changed).ok().and_then(|intro| intro.verify().ok());
            assert!(verified.is_none(), "byte {at} bit {bit:#x}");
        }
    }
}

#[test]
fn attack_05_every_changed_byte_of_a_device_list_is_rejected() {
    let person = Person::new(1);
    let signed = person.account.list(DeviceList { seq: 1, certs: vec![[1; 16]] });
    let whole = codec::encode(signed.signed());
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        let Ok(list) = codec::decode::<Signed<DeviceList>>(&changed) else { continue };
        assert!(DeviceList::verify(&list, person.account.key()).is_err(), "byte {at}");
    }
}

#[test]
fn a_device_list_holds_one_to_five_different_devices() {
    let person = Person::new(1);
    let list = |certs: Vec<[u8; 16]>| {
        let signed = person.account.list(DeviceList { seq: 1, certs });
        DeviceList::verify(signed.signed(), person.account.key())
    };
    assert!(list((0..5).map(|n| [n; 16]).collect()).is_ok());
    assert_eq!(list((0..6).map(|n| [n; 16]).collect()), Err(IntroError::Devices { got: 6 }));
    assert_eq!(list(vec![]), Err(IntroError::Devices { got: 0 }));
    assert_eq!(list(vec![[1; 16], [1; 16]]), Err(IntroError::Devices { got: 2 }));
}

#[test]
fn attack_10_a_verified_account_with_another_devices_keys_is_rejected() {
    let (alice, mallory) = (Person::new(1), Person::new(101));
    let cases = [
        // Mallory's signing key, Noise key or Olm key in Alice's certificate, signed by Mallory.
        mallory.intro_of(Cert { device: mallory.device.key(), ..alice.cert_value() }, |_| ()),
        mallory.intro_of(Cert { noise: mallory.public(2), ..alice.cert_value() }, |_| ()),
        mallory.intro_of(Cert { olm: mallory.public(3), ..alice.cert_value() }, |_| ()),
        // Alice's genuine certificate with Mallory's bundle.
        Intro { cert: alice.intro(1).cert, bundle: mallory.intro(1).bundle },
        Intro {
            cert: alice.intro(1).cert,
            bundle: mallory
                .intro_of(mallory.cert_value(), |b| b.cert_hash = alice.intro(1).cert.hash())
                .bundle,
        },
    ];
    for intro in cases {
        assert!(matches!(intro.verify(), Err(IntroError::Signature(_) | IntroError::OtherCert)));
    }
}

#[test]
fn attack_13_a_bundle_repackaged_under_another_account_is_rejected() {
    let (bob, mallory) = (Person::new(1), Person::new(101));
    // Mallory certifies Bob's device and keys as her own: Bob's bundle still names Bob's certificate.
    let claimed = mallory.account.certify(Cert { account: mallory.account.key(), ..bob.cert_value() });
    let intro = Intro { cert: claimed.signed().clone(), bundle: bob.intro(1).bundle };
    assert_eq!(intro.verify(), Err(IntroError::OtherCert));
}

#[test]
fn attack_11_intros_with_low_order_keys_are_rejected() {
    let person = Person::new(1);
    for point in low_order_points() {
        let cases = [
            ("Noise", person.intro_of(Cert { noise: point, ..person.cert_value() }, |_| ())),
            ("Olm", person.intro_of(Cert { olm: point, ..person.cert_value() }, |_| ())),
            ("pre", person.intro_of(person.cert_value(), |bundle| bundle.prekey = point)),
            ("fallback", person.intro_of(person.cert_value(), |bundle| bundle.fallback = point)),
        ];
        for (key, intro) in cases {
            assert_eq!(intro.verify(), Err(IntroError::LowOrder { key }));
        }
    }
}

#[test]
fn attack_12_a_certificate_of_a_small_order_account_key_is_rejected() {
    let person = Person::new(1);
    let mut weak = [0; 32];
    weak[0] = 1;
    let intro = person.intro_of(Cert { account: AccountKey(weak), ..person.cert_value() }, |_| ());
    assert_eq!(intro.verify(), Err(IntroError::Signature(SignatureError::Key)));
}

#[test]
fn attack_18_an_older_bundle_does_not_replace_a_newer_one() {
    let person = Person::new(1);
    let (old, new) = (person.intro(4).verify().unwrap(), person.intro(5).verify().unwrap());
    assert_eq!(new.replaces(&old), Ok(true));
    assert_eq!(new.replaces(&new), Ok(false));
    assert_eq!(old.replaces(&new), Err(IntroError::Rollback { known: 5, got: 4 }));
}

#[test]
fn attack_18_two_different_bundles_under_one_number_do_not_replace_each_other() {
    let person = Person::new(1);
    let one = person.intro(5).verify().unwrap();
    let change = |bundle: &mut Bundle| (bundle.seq, bundle.prekey) = (5, person.public(9));
    let other = person.intro_of(person.cert_value(), change).verify().unwrap();
    assert_eq!(other.replaces(&one), Err(IntroError::Rollback { known: 5, got: 5 }));
}

#[test]
fn attack_18_a_certificate_of_an_older_list_does_not_return_with_a_newer_bundle() {
    let person = Person::new(1);
    let known = person.intro_of(Cert { list_seq: 3, ..person.cert_value() }, |_| ()).verify().unwrap();
    let old = person.intro_of(Cert { list_seq: 2, ..person.cert_value() }, |bundle| bundle.seq = 9);
    assert_eq!(old.verify().unwrap().replaces(&known), Err(IntroError::Rollback { known: 3, got: 2 }));
}

#[test]
fn intros_of_different_devices_do_not_compare() {
    let (one, other) =
        (Person::new(1).intro(1).verify().unwrap(), Person::new(51).intro(2).verify().unwrap());
    assert_eq!(other.replaces(&one), Err(IntroError::OtherDevice));
}

#[test]
fn attack_19_an_exchanged_or_stripped_kem_key_is_rejected() {
    let person = Person::new(1);
    assert_eq!(person.intro(1).verify().unwrap().check_kem(&kem(2)), Err(IntroError::KemKey));
    // Without the promise of a KEM key the bundle is another one, and its signature does not fit.
    let genuine = person.intro(1);
    let stripped = person.intro_of(person.cert_value(), |bundle| bundle.kem_hash = [0; 16]);
    let mut forged = codec::encode(&stripped);
    let signature = codec::encode(&genuine);
    let at = forged.len() - 64;
    forged[at..].copy_from_slice(&signature[at..]);
    let forged: Intro = codec::decode(&forged).unwrap();
    assert!(matches!(forged.verify(), Err(IntroError::Signature(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_as_an_intro_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), framed: bool,
    ) {
        let mut bytes = bytes;
        if framed && bytes.len() == 356 {
            (bytes[0], bytes[194]) = (129, 97);
        }
        let verified = codec::decode::<Intro>(&bytes).ok().and_then(|intro| intro.verify().ok());
        prop_assert!(verified.is_none());
    }

    #[test]
    fn attack_05_any_change_to_an_intro_is_rejected(at in 0usize..356, to: u8) {
        let mut bytes = codec::encode(&Person::new(1).intro(1));
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let verified = codec::decode::<Intro>(&bytes).ok().and_then(|intro| intro.verify().ok());
        prop_assert!(verified.is_none());
    }
}
