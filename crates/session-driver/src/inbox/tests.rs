use super::*;

fn lengths(buffer: usize, len: usize, stride: usize) -> Vec<usize> {
    let mut found = Vec::new();
    split(&mut vec![0; buffer], &RecvMeta { len, stride, ..RecvMeta::default() }, |datagram| {
        found.push(datagram.len())
    });
    found
}

#[test]
fn glued_datagrams_come_apart() {
    assert_eq!(lengths(4096, 2500, 1000), [1000, 1000, 500]);
    assert_eq!(lengths(4096, 2000, 1000), [1000, 1000]);
    assert_eq!(lengths(4096, 700, 700), [700]);
}

#[test]
fn descriptions_out_of_this_world_are_survived() {
    assert_eq!(lengths(4096, 700, 0), [700], "segment size 0");
    assert_eq!(lengths(4096, 700, 701), [700]);
    assert_eq!(lengths(4096, 700, usize::MAX), [700]);
    assert_eq!(lengths(4096, usize::MAX, 4096), [4096], "longer than the buffer");
    assert_eq!(lengths(4096, 0, 0), [0], "an empty datagram is one");
    assert_eq!(lengths(4096, 0, 100), [0]);
    assert_eq!(lengths(0, 10, 10), [0]);
    assert_eq!(lengths(3, 3, 1), [1, 1, 1]);
}

#[test]
fn buffers_fit_what_may_come() {
    assert_eq!(Inbox::new(1452, 64).size, MAX_GLUED);
    assert_eq!(Inbox::new(1452, 1).size, MIN_BUFFER);
    assert_eq!(Inbox::new(9000, 1).size, 9000);
    assert_eq!(Inbox::new(9000, 1).buffer.len(), RECEIVE_SLOTS * 9000);
}
