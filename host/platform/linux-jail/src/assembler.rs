//! An assembler for the few instructions of eBPF that our programs are made of (RFC 9669).
//!
//! It knows registers, labels and memory sizes, so that no program can be put together that jumps astray; whether it
//! makes sense is checked by the kernel when it is loaded.

/// A register. The names say what the kernel uses them for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Register {
    /// Result of a call and of the program.
    Result = 0,
    /// First argument; the context when the program starts.
    Argument1 = 1,
    Argument2 = 2,
    Argument3 = 3,
    Argument4 = 4,
    Argument5 = 5,
    /// Kept across calls.
    Saved = 6,
    /// The end of the stack.
    Frame = 10,
}

/// A place to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A function of the kernel (bpf-helpers(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helper {
    /// Sends a packet elsewhere.
    Redirect = 23,
    /// Copies bytes of a packet.
    LoadPacketBytes = 26,
    /// Binds a socket.
    Bind = 64,
    /// The whole of a socket of which only the common part is known.
    FullSocket = 95,
}

const LOAD_WORD: u8 = 0x61;
const LOAD_POINTER: u8 = 0x79;
const STORE_WORD: u8 = 0x63;
const STORE_VALUE_HALF: u8 = 0x6a;
const STORE_VALUE_WORD: u8 = 0x62;
const SET_WORD: u8 = 0xb4;
const COPY: u8 = 0xbf;
const ADD: u8 = 0x07;
const AND_WORD: u8 = 0x54;
const OR_WORDS: u8 = 0x4c;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x16;
const JUMP_IF_NULL: u8 = 0x15;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// A program being put together.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    instructions: Vec<Instruction>,
    places: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Copy)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    value: u32,
    target: Option<Label>,
}

impl Assembler {
    /// A label that is put somewhere later.
    pub(crate) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// Puts a label before the next instruction.
    pub(crate) fn put(&mut self, label: Label) {
        self.places[label.0] = Some(self.instructions.len());
    }

    /// `to = *(u32 *)(base + offset)`
    pub(crate) fn load(&mut self, to: Register, base: Register, offset: i16) {
        self.push(LOAD_WORD, to, base, offset, 0);
    }

    /// `to = *(void **)(base + offset)`
    pub(crate) fn load_pointer(&mut self, to: Register, base: Register, offset: i16) {
        self.push(LOAD_POINTER, to, base, offset, 0);
    }

    /// `*(u32 *)(base + offset) = from`
    pub(crate) fn store(&mut self, base: Register, offset: i16, from: Register) {
        self.push(STORE_WORD, base, from, offset, 0);
    }

    /// `*(u16 *)(base + offset) = value`
    pub(crate) fn store_half(&mut self, base: Register, offset: i16, value: u16) {
        self.push(STORE_VALUE_HALF, base, Register::Result, offset, u32::from(value));
    }

    /// `*(u32 *)(base + offset) = value`
    pub(crate) fn store_word(&mut self, base: Register, offset: i16, value: u32) {
        self.push(STORE_VALUE_WORD, base, Register::Result, offset, value);
    }

    /// `to = value`
    pub(crate) fn set(&mut self, to: Register, value: u32) {
        self.push(SET_WORD, to, Register::Result, 0, value);
    }

    /// `to = from`
    pub(crate) fn copy(&mut self, to: Register, from: Register) {
        self.push(COPY, to, from, 0, 0);
    }

    /// `to += value`
    pub(crate) fn add(&mut self, to: Register, value: i32) {
        self.push(ADD, to, Register::Result, 0, value as u32);
    }

    /// `to &= mask`
    pub(crate) fn and(&mut self, to: Register, mask: u32) {
        self.push(AND_WORD, to, Register::Result, 0, mask);
    }

    /// `to |= from`
    pub(crate) fn or(&mut self, to: Register, from: Register) {
        self.push(OR_WORDS, to, from, 0, 0);
    }

    /// `goto label`
    pub(crate) fn jump(&mut self, label: Label) {
        self.push_jump(JUMP, Register::Result, 0, label);
    }

    /// `if register == value goto label`
    pub(crate) fn jump_if(&mut self, register: Register, value: u32, label: Label) {
        self.push_jump(JUMP_IF_EQUAL, register, value, label);
    }

    /// `if pointer == NULL goto label`
    pub(crate) fn jump_if_null(&mut self, register: Register, label: Label) {
        self.push_jump(JUMP_IF_NULL, register, 0, label);
    }

    /// `if register != value goto label`
    pub(crate) fn jump_unless(&mut self, register: Register, value: u32, label: Label) {
        self.push_jump(JUMP_UNLESS_EQUAL, register, value, label);
    }

    /// `result = helper(argument1, …)`
    pub(crate) fn call(&mut self, helper: Helper) {
        self.push(CALL, Register::Result, Register::Result, 0, helper as u32);
    }

    /// `return helper(argument1, …)`
    pub(crate) fn answer_call(&mut self, helper: Helper) {
        self.call(helper);
        self.push(EXIT, Register::Result, Register::Result, 0, 0);
    }

    /// `return value`
    pub(crate) fn answer(&mut self, value: u32) {
        self.set(Register::Result, value);
        self.push(EXIT, Register::Result, Register::Result, 0, 0);
    }

    /// The program as the kernel reads it, one instruction a number. What cannot be reached is left out, because the
    /// kernel refuses it.
    ///
    /// # Panics
    /// If a label was not put or is too far away, which no input can bring about but a mistake in a program.
    pub(crate) fn finish(self) -> Vec<u64> {
        let reached = self.reached();
        let position = |at: usize| reached[..at].iter().filter(|&&reached| reached).count();
        let encode = |(at, instruction): (usize, &Instruction)| {
            let offset = match instruction.target {
                None => instruction.offset,
                Some(label) => {
                    let distance = position(self.place(label)) as i64 - position(at) as i64 - 1;
                    #[allow(
                        clippy::expect_used,
                        reason = "a program of that length has thousands of addresses"
                    )]
                    i16::try_from(distance).expect("every jump is short")
                }
            };
            u64::from(instruction.code)
                | u64::from(instruction.registers) << 8
                | u64::from(offset as u16) << 16
                | u64::from(instruction.value) << 32
        };
        self.instructions
            .iter()
            .enumerate()
            .filter(|&(at, _)| reached[at])
            .map(encode)
            .collect()
    }

    /// Which instructions can be reached from the first.
    fn reached(&self) -> Vec<bool> {
        let mut reached = vec![false; self.instructions.len()];
        let mut to_follow = vec![0];
        while let Some(at) = to_follow.pop() {
            let Some(instruction) = self.instructions.get(at) else {
                continue;
            };
            if std::mem::replace(&mut reached[at], true) {
                continue;
            }
            to_follow.extend(instruction.target.map(|label| self.place(label)));
            if !matches!(instruction.code, JUMP | EXIT) {
                to_follow.push(at + 1);
            }
        }
        reached
    }

    fn place(&self, Label(label): Label) -> usize {
        #[allow(
            clippy::expect_used,
            reason = "programs are fixed but for the number of addresses"
        )]
        self.places[label].expect("every label is put")
    }

    fn push(&mut self, code: u8, to: Register, from: Register, offset: i16, value: u32) {
        let registers = to as u8 | (from as u8) << 4;
        self.instructions.push(Instruction {
            code,
            registers,
            offset,
            value,
            target: None,
        });
    }

    fn push_jump(&mut self, code: u8, register: Register, value: u32, label: Label) {
        let registers = register as u8;
        self.instructions.push(Instruction {
            code,
            registers,
            offset: 0,
            value,
            target: Some(label),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_encoded_as_the_kernel_reads_them() {
        let mut assembler = Assembler::default();
        assembler.load(Register::Argument2, Register::Argument1, 4);
        assembler.answer(1);
        assert_eq!(
            assembler.finish(),
            [0x0000_0000_0004_1261, 0x0000_0001_0000_00b4, 0x95]
        );
    }

    #[test]
    fn a_negative_offset_and_a_full_value_keep_to_their_fields() {
        let mut assembler = Assembler::default();
        assembler.store_word(Register::Frame, -4, 0xffff_ffff);
        assert_eq!(assembler.finish(), [0xffff_ffff_fffc_0a62]);
    }

    #[test]
    fn a_jump_counts_from_the_instruction_after_it() {
        let mut assembler = Assembler::default();
        let (end, next) = (assembler.label(), assembler.label());
        assembler.jump_if(Register::Result, 7, end);
        assembler.jump(next);
        assembler.put(next);
        assembler.answer(0);
        assembler.put(end);
        assembler.answer(1);
        let program = assembler.finish();
        assert_eq!(program[0] >> 16 & 0xffff, 3);
        assert_eq!(program[1] >> 16 & 0xffff, 0);
    }

    #[test]
    fn what_cannot_be_reached_is_left_out() {
        let mut assembler = Assembler::default();
        let end = assembler.label();
        assembler.jump(end);
        assembler.answer(0);
        assembler.put(end);
        assembler.answer(1);
        assert_eq!(assembler.finish(), [0x05, 0x0000_0001_0000_00b4, 0x95]);
    }
}
