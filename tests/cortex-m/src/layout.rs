//! What the linker made of the program, and how much of the stack was used.

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    static __vector_table: u32;
    static __erodata: u32;
    static __sdata: u32;
    static __edata: u32;
    static __sbss: u32;
    static __ebss: u32;
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Bytes of the parts of memory.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Code, constants, and what static variables begin with.
    pub flash: usize,
    /// Static variables that begin with something.
    pub data: usize,
    /// Static variables that begin with zeros.
    pub bss: usize,
    /// The deepest that the stack has been.
    pub stack: usize,
}

impl Layout {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        let data = between(&raw const __sdata, &raw const __edata);
        Self {
            flash: between(&raw const __vector_table, &raw const __erodata) + data,
            data,
            bss: between(&raw const __sbss, &raw const __ebss),
            stack: stack(),
        }
    }
}

fn between(from: *const u32, to: *const u32) -> usize {
    to.addr() - from.addr()
}

/// The start-up code painted the stack; it grows downwards.
fn stack() -> usize {
    let (mut word, top) = (&raw const _stack_end, &raw const _stack_start);
    // SAFETY: all words from the end of the stack to its start are memory of this machine, and nobody else writes to them meanwhile.
    while word < top && unsafe { word.read_volatile() } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    between(word, top)
}
