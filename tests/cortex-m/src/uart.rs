//! The first serial line of the machine: ARM's CMSDK APB UART, asked in turn and never by interrupt.

use core::ptr;

const BASE: usize = 0x4000_4000;
const DATA: *mut u32 = ptr::without_provenance_mut(BASE);
const STATE: *mut u32 = ptr::without_provenance_mut(BASE + 0x04);
const CONTROL: *mut u32 = ptr::without_provenance_mut(BASE + 0x08);
const BAUD_DIVIDER: *mut u32 = ptr::without_provenance_mut(BASE + 0x10);

const TRANSMITTER_FULL: u32 = 1;
const RECEIVER_FULL: u32 = 1 << 1;
const TRANSMITTER_AND_RECEIVER: u32 = 0b11;
/// The fastest that there is.
const LEAST_DIVIDER: u32 = 16;

/// The line.
pub struct Uart(());

impl Uart {
    /// Switches it on.
    ///
    /// # Safety
    /// There must be no other.
    #[must_use]
    pub unsafe fn new() -> Self {
        // SAFETY: both are registers of the device, which nobody else uses.
        unsafe {
            BAUD_DIVIDER.write_volatile(LEAST_DIVIDER);
            CONTROL.write_volatile(TRANSMITTER_AND_RECEIVER);
        }
        Self(())
    }

    /// A byte, if one has come.
    pub fn read(&mut self) -> Option<u8> {
        // SAFETY: both are registers of the device, which nobody else uses.
        unsafe { (STATE.read_volatile() & RECEIVER_FULL != 0).then(|| DATA.read_volatile() as u8) }
    }

    /// Waits until every byte has left.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // SAFETY: both are registers of the device, which nobody else uses.
            unsafe {
                while STATE.read_volatile() & TRANSMITTER_FULL != 0 {}
                DATA.write_volatile(u32::from(*byte));
            }
        }
    }
}
