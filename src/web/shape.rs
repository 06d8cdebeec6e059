//! The macro by which types with members are declared: once for TypeScript, for what calls take, and for what answers give.

/// Declares a type with members that calls take (`taken`), answers give (`given`), or both: its fields, each with its name on the
/// wire.
macro_rules! shape {
    (given $(#[doc = $doc:literal])+ $name:ident { $($members:tt)+ }) => {
        shape!(@typed false [$($doc)+] $name { $($members)+ });
        shape!(@given $name { $($members)+ });
    };
    (taken $(#[doc = $doc:literal])+ $name:ident { $($members:tt)+ }) => {
        shape!(@typed true [$($doc)+] $name { $($members)+ });
        shape!(@taken $name { $($members)+ });
    };
    (both $(#[doc = $doc:literal])+ $name:ident { $($members:tt)+ }) => {
        shape!(@typed true [$($doc)+] $name { $($members)+ });
        shape!(@given $name { $($members)+ });
        shape!(@taken $name { $($members)+ });
    };
    (@given $name:ident { $($(#[doc = $about:literal])+ $field:ident $wire:literal: $type:ty,)+ }) => {
        impl $crate::web::typed::Given for $name {
            fn give(self, caller: &$crate::web::caller::Caller) -> $crate::capnweb::Value {
                use $crate::capnweb::{Text, Value};
                Value::object([$((Text::from_static($wire), $crate::web::typed::Given::give(self.$field, caller)),)+])
            }
        }
    };
    (@taken $name:ident { $($(#[doc = $about:literal])+ $field:ident $wire:literal: $type:ty,)+ }) => {
        impl $crate::web::typed::Taken for $name {
            fn take(value: $crate::capnweb::Value) -> Result<Self, $crate::web::typed::Wrong> {
                let mut members = $crate::web::take::Members::of(value, concat!("an object: ", stringify!($name)))?;
                let taken = Self { $($field: members.take($wire)?,)+ };
                members.end()?;
                Ok(taken)
            }
        }
    };
    (@typed $may_lack:literal [$($doc:literal)+] $name:ident { $($(#[doc = $about:literal])+ $field:ident $wire:literal: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        pub(super) struct $name {
            $($(#[doc = $about])+ pub(super) $field: $type,)+
        }

        impl $crate::web::typed::Typed for $name {
            fn name() -> String {
                stringify!($name).to_owned()
            }

            fn declare(to: &mut $crate::web::typed::Declared) {
                use $crate::web::typed::{Member, Typed};
                let members = [$(Member {
                    name: $wire,
                    docs: &[$($about),+],
                    kind: <$type as Typed>::name(),
                    is_optional: $may_lack && <$type as Typed>::IS_OPTIONAL,
                },)+];
                if to.members(stringify!($name), &[$($doc),+], &members) {
                    $(<$type as Typed>::declare(to);)+
                }
            }
        }
    };
}

pub(super) use shape;
