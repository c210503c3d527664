//! The wire: packets, frames, parameters and control messages as values.
//!
//! Everything here is a total function on untrusted bytes: no state, no allocation, no panic. What parses can be written again and
//! gives the same bytes, but for values that are sent as absent (a parameter equal to its default, an empty user data or text).
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

pub(crate) mod connection_id;
pub(crate) mod control;
pub(crate) mod data_header;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod packet_number;
pub(crate) mod parameters;
pub(crate) mod reader;
pub(crate) mod text;
pub(crate) mod tlv;
pub(crate) mod varint;
pub(crate) mod writer;

pub(crate) use connection_id::ReceiverId;
pub(crate) use control::{ControlError, ControlErrorKind, ControlMessage, RekeyKey, UserData};
pub(crate) use data_header::DataHeader;
pub(crate) use frame::{
    AckFrame, AckFrequencyFrame, AckOfOne, ChannelFrame, CloseFrame, CloseSpace, DataFrame, DataPrefix, EcnCounts,
    Frame, FrameError, FrameErrorKind, FrameRule, Frames, LimitFrame, MAX_RANGES, MessageFrame, MessagePrefix,
    NewIdFrame, Sender, encode_ack, encode_ack_of_one, is_ack, is_data, rule,
};
pub(crate) use header::{
    Class, Finish, FinishHeader, HandshakeType, HeaderError, Hello, HelloHeader, MARK_LENGTH, Pattern, PskId, Reply,
    ReplyHeader, classify, finish_marks,
};
pub(crate) use packet_number::NumberLength;
pub(crate) use parameters::{ApplicationProtocol, TransportParameters};
pub(crate) use text::Text as WireText;
pub(crate) use writer::{WriteError, Writer};

/// The version of docs/protocol.md this module speaks.
pub(crate) const VERSION: u16 = 1;
