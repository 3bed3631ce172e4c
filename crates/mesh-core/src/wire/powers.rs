//! Power sums of names, from which two neighbours learn a small difference of their sets without fail
//! (PROTOCOL.md section 9.2).
//!
//! A name is an element x of the field with 2^64 elements, and a set shows the sums of x, x^3, x^5 and so on. Such
//! sums of two sets, added, are those of the difference alone; as many sums as there are differences tell all of
//! them, whichever these are. (The syndromes of a BCH code, as in Dodis, Ostrovsky, Reyzin, Smith: Fuzzy Extractors,
//! 2008, "PinSketch".) Work grows with the square of the number: larger differences are left to cells.

/// As many differences are told.
pub const CAPACITY: usize = 12;
/// Bits of an element. The field's polynomial is x^64 + x^4 + x^3 + x + 1.
const BITS: u32 = 64;

/// The sums of the odd powers of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums([u64; CAPACITY]);

impl Sums {
    /// Bytes on the link.
    pub const LEN: usize = CAPACITY * 8;

    /// A name came or left.
    pub fn toggle(&mut self, name: [u8; 8]) {
        let name = u64::from_le_bytes(name);
        let next = Factor::new(square(name));
        let mut power = name;
        for sum in &mut self.0 {
            *sum ^= power;
            power = next.times(power);
        }
    }

    /// The sums of the difference of two sets.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|at| self.0[at] ^ other.0[at]))
    }

    /// The names that these are the sums of, in no order; `None` where there are more than [`CAPACITY`]. Where there
    /// are, a wrong answer is given once in 10^8 times. A name of zeros adds nothing and is not told.
    #[must_use]
    pub fn told(&self) -> Option<Vec<[u8; 8]>> {
        let product = self.product()?;
        let mut names = Vec::with_capacity(CAPACITY);
        if product.len() > 2 {
            let (trace, power) = trace(&product, 1);
            // z^(2^64) is z itself where all roots are different and in the field.
            (power == [0, 1] && part(product, &trace, 0, &mut names)).then_some(())?;
        } else {
            roots(product, 0, &mut names);
        }
        Some(names.into_iter().map(u64::to_le_bytes).collect())
    }

    /// As they stand on the link.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(self.0)
            .for_each(|(bytes, sum)| *bytes = sum.to_le_bytes());
        bytes
    }

    /// What stands on the link.
    #[must_use]
    pub fn read(bytes: &[u8; Self::LEN]) -> Self {
        let chunks = bytes.as_chunks::<8>().0;
        Self(core::array::from_fn(|at| u64::from_le_bytes(chunks[at])))
    }

    /// The polynomial whose roots are the names, lowest term first, the highest being 1 (Berlekamp and Massey).
    fn product(&self) -> Option<Vec<u64>> {
        let mut sums = [0; 2 * CAPACITY];
        for at in 0..2 * CAPACITY {
            // The sum of squares is the square of the sum.
            sums[at] = if at % 2 == 0 { self.0[at / 2] } else { square(sums[at / 2]) };
        }
        let (mut now, mut before) = (vec![1], vec![1]);
        let (mut len, mut shift, mut divisor) = (0, 1, 1);
        for at in 0..2 * CAPACITY {
            let terms = (1..=len.min(now.len() - 1)).map(|n| times(now[n], sums[at - n]));
            let off = terms.fold(sums[at], |sum, term| sum ^ term);
            if off == 0 {
                shift += 1;
                continue;
            }
            let mut next = now.clone();
            next.resize(now.len().max(before.len() + shift), 0);
            let factor = Factor::new(times(off, inverse(divisor)));
            for (n, term) in before.iter().enumerate() {
                next[n + shift] ^= factor.times(*term);
            }
            if 2 * len <= at {
                (before, divisor) = (now, off);
                (len, shift) = (at + 1 - len, 1);
            } else {
                shift += 1;
            }
            now = next;
        }
        trim(&mut now);
        (len <= CAPACITY && now.len() == len + 1).then(|| now.into_iter().rev().collect())
    }
}

/// Finds the roots of a product of different z + x: traces of multiples of z part them (Berlekamp). Of any two
/// elements some basis element from `basis` on tells one from the other.
fn roots(product: Vec<u64>, basis: u32, found: &mut Vec<u64>) -> bool {
    if product.len() <= 2 {
        found.extend(product.first().filter(|_| product.len() == 2));
        return true;
    }
    basis < BITS && {
        let (trace, _) = trace(&product, 1 << basis);
        part(product, &trace, basis, found)
    }
}

/// The same where the trace of the multiple by this basis element is known.
fn part(product: Vec<u64>, trace: &[u64], basis: u32, found: &mut Vec<u64>) -> bool {
    let part = common(product.clone(), trace.to_vec());
    if !(2..product.len()).contains(&part.len()) {
        return roots(product, basis + 1, found);
    }
    let rest = divide(&mut product.clone(), &part);
    roots(part, basis + 1, found) && roots(rest, basis + 1, found)
}

/// The sum of (multiple z)^(2^i) over all bits, modulo the product, and the power after the last.
fn trace(product: &[u64], multiple: u64) -> (Vec<u64>, Vec<u64>) {
    let squares = squares(product);
    let (mut power, mut sum) = (vec![0, multiple], Vec::new());
    for _ in 0..BITS {
        sum.resize(power.len().max(sum.len()), 0);
        sum.iter_mut().zip(&power).for_each(|(sum, term)| *sum ^= term);
        power = squared(&power, &squares);
    }
    trim(&mut sum);
    (sum, power)
}

/// z^(2 n) modulo a product, for every n below its degree.
fn squares(product: &[u64]) -> Vec<Vec<u64>> {
    let mut power = vec![1];
    let step = |power: &[u64]| {
        let mut next = [&[0, 0], power].concat();
        divide(&mut next, product);
        next
    };
    let next = |_| {
        let next = step(&power);
        core::mem::replace(&mut power, next)
    };
    (1..product.len()).map(next).collect()
}

fn squared(polynomial: &[u64], squares: &[Vec<u64>]) -> Vec<u64> {
    let mut all = vec![0; squares.len()];
    for (term, power) in polynomial.iter().zip(squares).filter(|(term, _)| **term != 0) {
        let factor = Factor::new(square(*term));
        all.iter_mut().zip(power).filter(|(_, of)| **of != 0).for_each(|(sum, of)| *sum ^= factor.times(*of));
    }
    trim(&mut all);
    all
}

/// The greatest common divisor, its highest term 1.
fn common(mut a: Vec<u64>, mut b: Vec<u64>) -> Vec<u64> {
    while let Some(highest) = b.last() {
        let factor = Factor::new(inverse(*highest));
        b.iter_mut().for_each(|term| *term = factor.times(*term));
        divide(&mut a, &b);
        core::mem::swap(&mut a, &mut b);
    }
    a
}

/// Leaves the rest of a division by a polynomial whose highest term is 1, and returns the quotient.
fn divide(dividend: &mut Vec<u64>, divisor: &[u64]) -> Vec<u64> {
    let Some(low) = divisor.len().checked_sub(1) else { return Vec::new() };
    let mut quotient = vec![0; dividend.len().saturating_sub(low)];
    for at in (0..quotient.len()).rev() {
        let highest = dividend[at + low];
        quotient[at] = highest;
        if highest != 0 {
            let factor = Factor::new(highest);
            for (n, term) in divisor.iter().enumerate() {
                dividend[at + n] ^= factor.times(*term);
            }
        }
    }
    trim(dividend);
    quotient
}

fn trim(polynomial: &mut Vec<u64>) {
    let len = polynomial.iter().rposition(|term| *term != 0).map_or(0, |last| last + 1);
    polynomial.truncate(len);
}

/// What is multiplied with several times: its products with all polynomials below x^4.
struct Factor([u128; 16]);

impl Factor {
    fn new(element: u64) -> Self {
        let mut products = [0; 16];
        for bit in 0..4 {
            for low in 0..1 << bit {
                products[(1 << bit) | low] = products[low] ^ u128::from(element) << bit;
            }
        }
        Self(products)
    }

    fn times(&self, other: u64) -> u64 {
        let nibbles = (0..16).rev().map(|n| (other >> (4 * n) & 15) as usize);
        reduced(nibbles.fold(0, |product, nibble| (product << 4) ^ self.0[nibble]))
    }
}

fn times(a: u64, b: u64) -> u64 {
    Factor::new(a).times(b)
}

fn square(element: u64) -> u64 {
    reduced(u128::from(spread(element as u32)) | u128::from(spread((element >> 32) as u32)) << 64)
}

/// A zero between any two bits.
fn spread(half: u32) -> u64 {
    let mut bits = u64::from(half);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & 0x5555_5555_5555_5555
}

/// x^64 is x^4 + x^3 + x + 1.
fn reduced(product: u128) -> u64 {
    let fold = |high: u128| high ^ high << 1 ^ high << 3 ^ high << 4;
    let once = (product & u128::from(u64::MAX)) ^ fold(product >> 64);
    once as u64 ^ fold(once >> 64) as u64
}

/// x^(2^64 - 2).
fn inverse(element: u64) -> u64 {
    let (mut power, mut product) = (element, 1);
    for _ in 1..BITS {
        power = square(power);
        product = times(product, power);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const GOLDEN: &str = "080b0a0d0c0f0e0185802cea79992f2e3296ffe8c2d576790bb02683f18559f5ca126c58ab17235ed85b9f117df9c355\
        ea51a03e074c65cf0da06130a6f4c6e871bc12e8b3a2a61d6aff3dbec9a5c3f5389d865e7e81e0d578fddad93095056d";

    fn of<'a>(names: impl IntoIterator<Item = &'a u64>) -> Sums {
        let mut sums = Sums::default();
        names.into_iter().for_each(|name| sums.toggle(name.to_le_bytes()));
        sums
    }

    fn told(sums: &Sums) -> Option<BTreeSet<u64>> {
        sums.told().map(|names| names.into_iter().map(u64::from_le_bytes).collect())
    }

    fn random(n: u64) -> u64 {
        u64::from_le_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk().unwrap())
    }

    #[test]
    fn golden_sums() {
        // Computed by a second implementation.
        let sums = of(&[0x0807_0605_0403_0201, 0x0909_0909_0909_0909]);
        assert_eq!(data_encoding::HEXLOWER.encode(&sums.to_bytes()), GOLDEN);
    }

    #[test]
    fn the_modulus_is_irreducible_and_every_element_has_an_inverse() {
        assert_eq!(reduced(1 << 64), 0b1_1011);
        for n in 0..100 {
            let element = random(n);
            assert_eq!(times(element, inverse(element)), 1);
            assert_eq!(square(element), times(element, element));
            assert_eq!((0..BITS).fold(element, |power, _| square(power)), element);
        }
    }

    #[test]
    fn more_differences_than_can_be_told_are_not_taken_for_fewer() {
        for round in 0..300 {
            let names: Vec<u64> =
                (0..CAPACITY as u64 + 1 + round % 30).map(|n| random(round * 100 + n)).collect();
            assert_eq!(told(&of(&names)), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_small_difference_is_told_without_fail_whatever_the_names_are(
            common in proptest::collection::btree_set(any::<u64>(), 0..50),
            differ in proptest::collection::btree_set(1..=u64::MAX, 0..=CAPACITY),
            small in proptest::collection::btree_set(1..200u64, 0..=CAPACITY),
        ) {
            for differ in [&differ, &small] {
                let here: BTreeSet<u64> = common.iter().chain(differ.iter().step_by(2)).copied().collect();
                let there: BTreeSet<u64> = common.iter().chain(differ.iter().skip(1).step_by(2)).copied().collect();
                let expected: BTreeSet<u64> = here.symmetric_difference(&there).copied().collect();
                prop_assert_eq!(told(&of(&here).minus(&of(&there))), Some(expected));
            }
        }

        #[test]
        fn any_sums_are_read_and_come_back(bytes in proptest::collection::vec(any::<u8>(), Sums::LEN)) {
            let sums = Sums::read(bytes.first_chunk().unwrap());
            prop_assert_eq!(&sums.to_bytes()[..], &bytes[..]);
            if let Some(names) = sums.told() {
                prop_assert_eq!(of(&names.iter().map(|name| u64::from_le_bytes(*name)).collect::<Vec<_>>()), sums);
            }
        }
    }
}
