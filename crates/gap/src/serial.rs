//! Numbers that wrap, compared by which of them is nearer ahead (RFC 1982).
//!
//! Two numbers exactly half the space apart have no order there; here the second counts as behind, so that every pair
//! has an answer.

/// How far `to` is ahead of `from`, counted modulo 2^16; negative when it is behind.
#[must_use]
pub const fn ahead16(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from).cast_signed()
}

/// How far `to` is ahead of `from`, counted modulo 2^32; negative when it is behind.
#[must_use]
pub const fn ahead32(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// Samples from one timestamp to another; negative when it is before. Timestamps have 64 bits, but senders that come
/// from RTP count modulo 2^32.
#[must_use]
pub const fn samples_between(from: u64, to: u64) -> i64 {
    match (narrow(from), narrow(to)) {
        (Some(from), Some(to)) => ahead32(from, to) as i64,
        _ => to.wrapping_sub(from).cast_signed(),
    }
}

/// The timestamp in 32 bits, if it has no more.
const fn narrow(timestamp: u64) -> Option<u32> {
    if timestamp <= u32::MAX as u64 { Some(timestamp as u32) } else { None }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_less_than_half_the_space_ahead_is_ahead_wherever_the_wrap_lies(
            from in any::<u16>(), step in 1_u16..=0x7fff,
        ) {
            let to = from.wrapping_add(step);
            prop_assert_eq!(ahead16(from, to), step.cast_signed());
            prop_assert_eq!(ahead16(to, from), -step.cast_signed());
            prop_assert_eq!(ahead16(from, from), 0);
        }

        #[test]
        fn the_same_holds_for_32_bits(from in any::<u32>(), step in 1_u32..=0x7fff_ffff) {
            let to = from.wrapping_add(step);
            prop_assert_eq!(ahead32(from, to), step.cast_signed());
            prop_assert_eq!(ahead32(to, from), -step.cast_signed());
        }

        #[test]
        fn timestamps_go_on_over_2_to_the_32_whether_they_wrap_there_or_not(
            before in 1_u64..1_000_000, after in 0_u64..1_000_000,
        ) {
            let from = (1_u64 << 32) - before;
            let expected = i64::try_from(before + after).unwrap();
            prop_assert_eq!(samples_between(from, after), expected);
            prop_assert_eq!(samples_between(from, (1 << 32) + after), expected);
            prop_assert_eq!(samples_between((1 << 32) + after, from), -expected);
        }
    }

    #[test]
    fn the_ends_of_each_space_have_an_answer() {
        assert_eq!(ahead16(0, 0x8000), i16::MIN);
        assert_eq!(ahead16(u16::MAX, 0), 1);
        assert_eq!(ahead32(u32::MAX, 0), 1);
        assert_eq!(samples_between(u64::MAX, 1 << 40), (1 << 40) + 1);
        assert_eq!(samples_between(0, u64::MAX), -1);
    }
}
