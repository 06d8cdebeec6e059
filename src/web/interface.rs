//! Interfaces: the one table of what the door serves. The dispatcher and the declarations for TypeScript are both made from it.

use crate::web::caller::{Context, Running};
use crate::web::typed::Declared;

/// An interface, as the declarations describe it.
pub(super) struct Interface {
    pub(super) name: &'static str,
    pub(super) docs: &'static [&'static str],
    /// The interfaces whose methods it has besides its own.
    pub(super) extends: &'static [&'static str],
    pub(super) methods: Vec<Method>,
    /// Declares the types that its methods take and give.
    pub(super) declare: fn(&mut Declared),
}

/// A method, as the declarations describe it.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) docs: &'static [&'static str],
    pub(super) params: Vec<Param>,
    pub(super) result: String,
}

/// A parameter of a method.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: String,
    pub(super) is_optional: bool,
}

impl Interface {
    /// An interface of an object that is only held, and let go by disposing of it.
    pub(super) const fn without_methods(name: &'static str, docs: &'static [&'static str]) -> Self {
        Self { name, docs, extends: &[], methods: Vec::new(), declare: |_| {} }
    }
}

/// How a method is run.
pub(super) struct Runs<O> {
    pub(super) begin: fn(O, Context, Vec<crate::capnweb::Value>) -> Running,
    /// Whether it has nothing left to do when its caller has given its answer up.
    pub(super) stops: bool,
}

/// Something that has methods.
pub(super) trait Methods {
    /// What a method is called on.
    type Object;

    /// The interface.
    fn interface() -> Interface;

    /// How the method of this name is run; `None` if there is none.
    fn find(name: &str) -> Option<Runs<Self::Object>>;
}

/// Declares the methods of an interface: each with its parameters, what it gives, and what runs it. `admit` is asked before an
/// argument is looked at.
macro_rules! methods {
    (
        $(#[doc = $doc:literal])+
        $interface:ty = $called:literal of $object:ty, extends [$($base:literal),*], admit $admit:path {
            $(
                $(#[doc = $about:literal])+
                $name:literal ($($param:ident $wire:literal: $take:ty),*) -> $give:ty = $run:path $(, $stops:ident)?;
            )*
        }
    ) => {
        impl $crate::web::interface::Methods for $interface {
            type Object = $object;

            fn interface() -> $crate::web::interface::Interface {
                use $crate::web::interface::{Interface, Method};
                #[allow(unused_imports, reason = "no method may have parameters")]
                use $crate::web::{interface::Param, typed::Typed};
                Interface {
                    name: $called,
                    docs: &[$($doc),+],
                    extends: &[$($base),*],
                    methods: vec![$(Method {
                        name: $name,
                        docs: &[$($about),+],
                        params: vec![$(Param {
                            name: $wire,
                            kind: <$take as Typed>::name(),
                            is_optional: <$take as Typed>::IS_OPTIONAL,
                        }),*],
                        result: <$give as Typed>::name(),
                    }),*],
                    declare: |to| {
                        $($(<$take as Typed>::declare(to);)* <$give as Typed>::declare(to);)*
                    },
                }
            }

            fn find(name: &str) -> Option<$crate::web::interface::Runs<$object>> {
                use $crate::{capnweb::Value, web::{caller::{Context, Running}, interface::Runs, take::Args, typed::Given}};
                match name {
                    $($name => {
                        let begin = |object: $object, context: Context, values: Vec<Value>| -> Running {
                            Box::pin(async move {
                                $admit(&object, $name)?;
                                #[allow(unused_mut, reason = "a method may have no parameters")]
                                let mut args = Args::new($name, values);
                                $(let $param = args.next::<$take>($wire)?;)*
                                args.end()?;
                                let caller = std::sync::Arc::clone(&context.caller);
                                let given: $give = $run(object, context, $($param),*).await?;
                                Ok(given.give(&caller))
                            })
                        };
                        Some(Runs { begin, stops: [$(stringify!($stops)),*].contains(&"stops") })
                    })*
                    _ => None,
                }
            }
        }
    };
}

pub(super) use methods;
