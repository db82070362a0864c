//! Custom sections of a component's binary, read without compiling it.
//!
//! A component is a header and a row of sections: an identifier byte, the size as LEB128, the content. Custom
//! sections have identifier 0 and begin with their name. Source: component-model, `design/mvp/Binary.md`.

/// `\0asm`, version 13, layer 1.
const HEADER: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

/// The content of the first top-level custom section of this name.
///
/// # Errors
/// If the bytes are not a component or are cut off.
pub(crate) fn custom<'a>(component: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, &'static str> {
    let mut rest = component
        .strip_prefix(&HEADER)
        .ok_or("it is not a WebAssembly component")?;
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = leb128(after).ok_or(CUT_OFF)?;
        let (content, after) = after.split_at_checked(size).ok_or(CUT_OFF)?;
        rest = after;
        if *id == 0 {
            let (length, content) = leb128(content).ok_or(CUT_OFF)?;
            let (found, content) = content.split_at_checked(length).ok_or(CUT_OFF)?;
            if found == name.as_bytes() {
                return Ok(Some(content));
            }
        }
    }
    Ok(None)
}

const CUT_OFF: &str = "the file is cut off";

/// An unsigned 32 bit number and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn a_section_is_found_by_its_name_behind_others() {
        let file = [
            HEADER.to_vec(),
            section(1, b"anything"),
            section(0, b"\x01xno"),
            section(0, b"\x01yyes"),
        ]
        .concat();
        assert_eq!(custom(&file, "y"), Ok(Some(&b"yes"[..])));
        assert_eq!(custom(&file, "z"), Ok(None));
    }

    #[test]
    fn a_core_module_is_no_component() {
        assert!(custom(b"\0asm\x01\0\0\0", "y").is_err());
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused_wherever_the_cut_is() {
        let file = [HEADER.to_vec(), section(0, b"\x01yyes")].concat();
        for length in HEADER.len() + 1..file.len() {
            assert_eq!(custom(&file[..length], "y"), Err(CUT_OFF), "{length}");
        }
    }
}
