//! The group's agreement about its profile: an extension of the group context.
//!
//! Every member's keys depend on the group context, so members who disagree about the profile cannot even read each
//! other; and it changes only by a commit, which [`check`] judges before it is merged. A group without the extension
//! is an `interop` group, because peers of the published stack know no extensions. A `sealed` group also requires
//! members to be able to follow the extension (RFC 9420 section 7.2), which keeps peers out that would ignore it.

use coterie_wire::Profile;

use crate::error::ProfileError;

/// The extension's type, among those for private use (RFC 9420 section 17.3).
pub const EXTENSION_TYPE: u16 = 0xf0c0;

/// The form of the agreement that is written here; a later one is refused, not guessed at.
const VERSION: u8 = 1;

/// The number of the `sealed` profile, as in a frame's `prof`.
const SEALED: u8 = 1;

/// The content of the extension in a group of this profile; none for `interop`, whose groups have no extensions.
#[must_use]
pub const fn extension(profile: Profile) -> Option<[u8; 2]> {
    match profile {
        Profile::Interop => None,
        Profile::Sealed => Some([VERSION, SEALED]),
    }
}

/// What a group has agreed on, by the content of its extension if it has one.
///
/// # Errors
/// When that says nothing that is understood here. It never counts as `interop`.
pub const fn read(extension: Option<&[u8]>) -> Result<Profile, ProfileError> {
    match extension {
        None => Ok(Profile::Interop),
        Some([VERSION, SEALED]) => Ok(Profile::Sealed),
        Some([VERSION, other]) => Err(ProfileError::Unknown(*other)),
        Some(_) => Err(ProfileError::Unreadable),
    }
}

/// Whether a group that had agreed on `agreed` still does after a commit, or does as an invitation has promised.
/// Asked of the extensions as they will be, before anything is merged or joined.
///
/// # Errors
/// [`ProfileError::Changed`] for the other profile, and as [`read`].
pub fn check(agreed: Profile, extension: Option<&[u8]>) -> Result<(), ProfileError> {
    if read(extension)? == agreed { Ok(()) } else { Err(ProfileError::Changed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        for profile in [Profile::Interop, Profile::Sealed] {
            let written = extension(profile);
            assert_eq!(read(written.as_ref().map(<[u8; 2]>::as_slice)), Ok(profile));
        }
        for unreadable in [&[][..], &[1], &[2, 1], &[1, 1, 0], b"sealed"] {
            assert_eq!(read(Some(unreadable)), Err(ProfileError::Unreadable));
        }
        assert_eq!(read(Some(&[1, 0])), Err(ProfileError::Unknown(0)));
        assert_eq!(read(Some(&[1, 2])), Err(ProfileError::Unknown(2)));
    }

    #[test]
    fn no_commit_moves_a_group_to_the_other_profile() {
        assert_eq!(check(Profile::Sealed, Some(&[1, 1])), Ok(()));
        assert_eq!(check(Profile::Sealed, None), Err(ProfileError::Changed));
        assert_eq!(check(Profile::Interop, Some(&[1, 1])), Err(ProfileError::Changed));
        assert_eq!(check(Profile::Interop, None), Ok(()));
        assert_eq!(check(Profile::Sealed, Some(&[1, 7])), Err(ProfileError::Unknown(7)));
    }
}
