//! `--blkio-weight` and the rates of single block devices.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use bollard_stubs::models::{HostConfig, ThrottleDevice};
use nix::sys::stat::{major, minor};
use oci_spec::runtime::{
    LinuxBlockIo, LinuxThrottleDevice, LinuxThrottleDeviceBuilder, LinuxWeightDevice,
    LinuxWeightDeviceBuilder,
};

use crate::error::{EngineError, Result};

/// The limits, or nothing if none is asked for.
pub(super) fn block_io(host_config: &HostConfig) -> Result<Option<LinuxBlockIo>> {
    let mut block_io = LinuxBlockIo::default();
    block_io.set_weight(weight(host_config.blkio_weight.map(usize::from))?);
    let mut weights = Vec::new();
    for device in host_config.blkio_weight_device.iter().flatten() {
        if let Some(weight) = weight(device.weight)? {
            weights.push(weight_device(device.path.as_deref(), weight)?);
        }
    }
    block_io
        .set_weight_device(given(weights))
        .set_throttle_read_bps_device(rates(host_config.blkio_device_read_bps.as_deref())?)
        .set_throttle_write_bps_device(rates(host_config.blkio_device_write_bps.as_deref())?)
        .set_throttle_read_iops_device(rates(host_config.blkio_device_read_iops.as_deref())?)
        .set_throttle_write_iops_device(rates(host_config.blkio_device_write_iops.as_deref())?);
    Ok((block_io != LinuxBlockIo::default()).then_some(block_io))
}

fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// 0 is no word on it.
fn weight(weight: Option<usize>) -> Result<Option<u16>> {
    match weight {
        None | Some(0) => Ok(None),
        Some(weight @ 10..=1000) => Ok(u16::try_from(weight).ok()),
        Some(_) => Err(EngineError::Invalid("Range of blkio weight is from 10 to 1000".to_owned())),
    }
}

fn weight_device(path: Option<&str>, weight: u16) -> Result<LinuxWeightDevice> {
    let (major, minor) = numbers(path)?;
    LinuxWeightDeviceBuilder::default()
        .major(major)
        .minor(minor)
        .weight(weight)
        .build()
        .map_err(|error| EngineError::Invalid(error.to_string()))
}

fn rates(devices: Option<&[ThrottleDevice]>) -> Result<Option<Vec<LinuxThrottleDevice>>> {
    let mut rates = Vec::new();
    for device in devices.unwrap_or_default() {
        let (major, minor) = numbers(device.path.as_deref())?;
        let rate = u64::try_from(device.rate.unwrap_or_default()).ok().filter(|rate| *rate > 0);
        let Some(rate) = rate else {
            let path = device.path.as_deref().unwrap_or_default();
            return Err(EngineError::Invalid(format!("invalid rate for device {path}")));
        };
        let rate = LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(rate);
        rates.push(rate.build().map_err(|error| EngineError::Invalid(error.to_string()))?);
    }
    Ok(given(rates))
}

fn numbers(path: Option<&str>) -> Result<(i64, i64)> {
    let path = path.unwrap_or_default();
    let found = fs::metadata(path).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => error.to_string(),
        };
        EngineError::Invalid(format!("stat {path}: {reason}"))
    })?;
    let number = |number: u64| i64::try_from(number).unwrap_or_default();
    Ok((number(major(found.rdev())), number(minor(found.rdev()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_by_the_devices_numbers() {
        let device = ThrottleDevice { path: Some("/dev/null".to_owned()), rate: Some(1024) };
        let host_config = HostConfig {
            blkio_weight: Some(300),
            blkio_device_read_bps: Some(vec![device]),
            ..HostConfig::default()
        };
        let block_io = block_io(&host_config).unwrap().unwrap();
        assert_eq!(block_io.weight(), Some(300));
        let rates = block_io.throttle_read_bps_device().clone().unwrap();
        assert_eq!((rates[0].major(), rates[0].minor(), rates[0].rate()), (1, 3, 1024));
    }

    #[test]
    fn a_weight_out_of_range_is_refused() {
        let host_config = HostConfig { blkio_weight: Some(5), ..HostConfig::default() };
        let error = block_io(&host_config).unwrap_err();
        assert_eq!(error.to_string(), "Range of blkio weight is from 10 to 1000");
    }

    #[test]
    fn nothing_asked_for_is_nothing_limited() {
        assert_eq!(block_io(&HostConfig::default()).unwrap(), None);
    }
}
